// Takes an order and publishes it in one transaction: no order without its event, no event without its order.
//
//	DATABASE_URL=postgresql://... PROJECT_ID=... go run . 25.00
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/jackc/pgx/v5"
)

var errDeclined = errors.New("declined: that is more than the card has")

// publish publishes an event in the transaction and answers its id. An id of your own is the idempotency key: published
// again, the same event creates nothing, and another one is an error of SQLSTATE 23505.
func publish(ctx context.Context, tx pgx.Tx, projectID, eventType string, data any, id *string) (string, error) {
	document, err := json.Marshal(data)
	if err != nil {
		return "", err
	}
	var eventID string
	err = tx.QueryRow(ctx, `
		SELECT published.id::text
		FROM postrider.publish(project_id => $1::uuid, type => $2::text, data => $3::jsonb, id => $4::uuid) AS published`,
		projectID, eventType, document, id,
	).Scan(&eventID)
	return eventID, err
}

type taken struct {
	Order int64  `json:"order"`
	Event string `json:"event"`
}

func takeOrder(ctx context.Context, connection *pgx.Conn, projectID, amount string) (order taken, err error) {
	err = pgx.BeginFunc(ctx, connection, func(tx pgx.Tx) error {
		row := tx.QueryRow(ctx, "INSERT INTO orders (amount) VALUES ($1::text::numeric) RETURNING id", amount)
		if err := row.Scan(&order.Order); err != nil {
			return err
		}
		data := map[string]any{"order": order.Order, "amount": amount}
		if order.Event, err = publish(ctx, tx, projectID, "order.paid", data, nil); err != nil {
			return err
		}
		return charge(amount)
	})
	return order, err
}

// charge stands for whatever may still fail.
func charge(amount string) error {
	if value, err := strconv.ParseFloat(amount, 64); err != nil || value > 1000 {
		return errDeclined
	}
	return nil
}

func run(ctx context.Context) error {
	connection, err := pgx.Connect(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	defer connection.Close(ctx)
	const table = "CREATE TABLE IF NOT EXISTS orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, amount numeric)"
	if _, err := connection.Exec(ctx, table); err != nil {
		return err
	}
	order, err := takeOrder(ctx, connection, os.Getenv("PROJECT_ID"), os.Args[1])
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(order)
}

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
