-- A row becomes an event. Whoever marks an order as paid, from whatever language, publishes `order.paid` in the same
-- transaction: what commits is told, what rolls back is not.
--
--     psql "$DATABASE_URL" --set project=PROJECT_ID --set role=shop --file order-paid.sql
--
-- `project` is the id of a project of Postrider, `role` what the application connects as. Run it as whoever owns both.

CREATE TABLE public.orders (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  customer text NOT NULL,
  amount numeric(10, 2) NOT NULL CHECK (amount > 0),
  paid_at timestamptz
);

CREATE FUNCTION public.publish_order_paid() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM postrider.publish(
    project_id => TG_ARGV[0]::uuid,
    type => 'order.paid',
    data => jsonb_build_object(
      'order', NEW.id,
      'customer', NEW.customer,
      'amount', NEW.amount,
      'paid_at', NEW.paid_at
    )
  );
  RETURN NULL;
END
$$;

-- AFTER: what other triggers make of the row is in the event. The condition decides what is told, not the statement: an
-- order that is saved again is not paid again.
CREATE TRIGGER order_paid
  AFTER UPDATE ON public.orders
  FOR EACH ROW
  WHEN (OLD.paid_at IS NULL AND NEW.paid_at IS NOT NULL)
  EXECUTE FUNCTION public.publish_order_paid(:'project');

CREATE TRIGGER order_paid_at_once
  AFTER INSERT ON public.orders
  FOR EACH ROW
  WHEN (NEW.paid_at IS NOT NULL)
  EXECUTE FUNCTION public.publish_order_paid(:'project');

-- All of Postrider that the application needs. It can publish; it reads neither webhooks nor what others published.
GRANT USAGE ON SCHEMA postrider TO :"role";
GRANT EXECUTE ON FUNCTION postrider.publish TO :"role";
GRANT SELECT, INSERT, UPDATE ON public.orders TO :"role";
