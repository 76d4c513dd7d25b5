package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// publish sends one plain value, as a newcomer's own sensor would, and returns
// when the broker has acknowledged it.
func publish(ctx context.Context, args []string, out, logTo io.Writer) error {
	flags := flag.NewFlagSet("iocsim publish", flag.ContinueOnError)
	flags.SetOutput(logTo)
	var (
		broker  = flags.String("mqtt", "tcp://127.0.0.1:18830", "broker (the demo's)")
		station = flags.String("station", "LC-RAIN-001", "station id; an unknown one appears under new devices")
		metric  = flags.String("metric", "rain", "metric id")
		value   = flags.Float64("value", 0, "the value")
	)
	if err := flags.Parse(args); err != nil {
		return err
	}
	client := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(*broker).SetClientID("iocsim-publish").SetConnectTimeout(5 * time.Second).SetAutoReconnect(false))
	if token := client.Connect(); !token.WaitTimeout(6*time.Second) || token.Error() != nil {
		return fmt.Errorf("no broker at %s: %w; is the demo running?", *broker, errors.Join(token.Error(), ctx.Err()))
	}
	defer client.Disconnect(100)
	topic := "laocai/" + *station + "/" + *metric
	token := client.Publish(topic, 1, false, strconv.FormatFloat(*value, 'f', -1, 64))
	if !token.WaitTimeout(6*time.Second) || token.Error() != nil {
		return fmt.Errorf("publish: not acknowledged: %w", errors.Join(token.Error(), ctx.Err()))
	}
	_, err := fmt.Fprintf(out, "%s = %v: taken, and on disk\n", topic, *value)
	return err
}
