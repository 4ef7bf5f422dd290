DROP TABLE postrider.upkeep;
DROP TABLE postrider.replays;
