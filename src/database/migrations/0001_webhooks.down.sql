DROP TABLE postrider.webhook_deliveries;
DROP TYPE postrider.webhook_delivery_status;
DROP TABLE postrider.webhooks;
DROP TABLE postrider.users;
DROP TABLE postrider.applications;
DROP TABLE postrider.projects;
DROP FUNCTION postrider.uuid_generate_v7();
