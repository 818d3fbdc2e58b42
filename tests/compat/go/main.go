// A member of a group. consume franz|sarama|kafka-go BOOTSTRAP GROUP TOPIC
//
// Prints "assigned P..." for each assignment (not kafka-go, which keeps it to itself) and "P OFFSET VALUE" for each record, commits what it has printed, ends at SIGTERM and leaves the group.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sort"
	"sync"
	"syscall"
	"time"

	"github.com/IBM/sarama"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
)

var printing sync.Mutex

func sayAssigned(partitions []int32) {
	printing.Lock()
	defer printing.Unlock()
	sort.Slice(partitions, func(i, j int) bool { return partitions[i] < partitions[j] })
	fmt.Print("assigned")
	for _, p := range partitions {
		fmt.Print(" ", p)
	}
	fmt.Println()
}

func sayRecord(partition int32, offset int64, value []byte) {
	printing.Lock()
	defer printing.Unlock()
	fmt.Println(partition, offset, string(value))
}

func die(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func franz(ctx context.Context, bootstrap, group, topic string) {
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.SessionTimeout(6*time.Second), kgo.HeartbeatInterval(500*time.Millisecond),
		kgo.Balancers(kgo.RangeBalancer()), kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, assigned map[string][]int32) { sayAssigned(assigned[topic]) }))
	if err != nil {
		die(err)
	}
	for ctx.Err() == nil {
		polling, done := context.WithTimeout(ctx, 200*time.Millisecond)
		fetches := client.PollFetches(polling)
		done()
		fetches.EachError(func(_ string, _ int32, err error) {
			if err != context.DeadlineExceeded && err != context.Canceled {
				die(err)
			}
		})
		fetches.EachRecord(func(r *kgo.Record) { sayRecord(r.Partition, r.Offset, r.Value) })
		if fetches.NumRecords() > 0 {
			if err := client.CommitUncommittedOffsets(context.Background()); err != nil {
				die(err)
			}
		}
		client.AllowRebalance()
	}
	client.Close()
}

type handler struct{}

func (handler) Setup(s sarama.ConsumerGroupSession) error {
	for _, partitions := range s.Claims() {
		sayAssigned(append([]int32(nil), partitions...))
	}
	return nil
}

func (handler) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (handler) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case m, ok := <-claim.Messages():
			if !ok {
				return nil
			}
			sayRecord(m.Partition, m.Offset, m.Value)
			s.MarkMessage(m, "")
		case <-s.Context().Done():
			return nil
		}
	}
}

func saramaMember(ctx context.Context, bootstrap, group, topic string) {
	config := sarama.NewConfig()
	config.Version = sarama.V2_8_0_0
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Interval = 200 * time.Millisecond
	config.Consumer.Group.Session.Timeout = 6 * time.Second
	config.Consumer.Group.Heartbeat.Interval = 500 * time.Millisecond
	config.Metadata.RefreshFrequency = 5 * time.Second
	member, err := sarama.NewConsumerGroup([]string{bootstrap}, group, config)
	if err != nil {
		die(err)
	}
	for ctx.Err() == nil {
		if err := member.Consume(ctx, []string{topic}, handler{}); err != nil && ctx.Err() == nil {
			die(err)
		}
	}
	if err := member.Close(); err != nil {
		die(err)
	}
}

// It joins with a subscription of version 1 that has no owned partitions.
func kafkaGo(ctx context.Context, bootstrap, group, topic string) {
	member := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{bootstrap}, GroupID: group, Topic: topic, StartOffset: kafka.FirstOffset,
		SessionTimeout: 6 * time.Second, HeartbeatInterval: 500 * time.Millisecond, MaxWait: 200 * time.Millisecond})
	for ctx.Err() == nil {
		m, err := member.FetchMessage(ctx)
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			die(err)
		}
		sayRecord(int32(m.Partition), m.Offset, m.Value)
		if err := member.CommitMessages(context.Background(), m); err != nil {
			die(err)
		}
	}
	if err := member.Close(); err != nil {
		die(err)
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	members := map[string]func(context.Context, string, string, string){"franz": franz, "sarama": saramaMember, "kafka-go": kafkaGo}
	members[os.Args[1]](ctx, os.Args[2], os.Args[3], os.Args[4])
}
