// The story of ../README.md, told by go-redis: HOST PORT PROTOCOL T.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	item1 = "1374c6821ead6f47"
	item2 = "2486d7932fbe7058"
	item3 = "3597e8a43fcf8169"
	all   = math.MaxInt64
)

var (
	ctx      = context.Background()
	protocol int
	t        int64
	r        *redis.Client // sends a command again by itself where it had no answer
	once     *redis.Client // never does
	input    = bufio.NewReader(os.Stdin)
)

type point struct {
	at    int64
	value float64
}

// ---- judging ----

func expect(got, wanted any) error {
	if !reflect.DeepEqual(got, wanted) {
		return fmt.Errorf("expected %v, came %v", wanted, got)
	}
	return nil
}

func expectError(err error, words string) error {
	if err == nil || !strings.Contains(err.Error(), words) {
		return fmt.Errorf("expected an error that says %q, came %v", words, err)
	}
	return nil
}

// answer judges a reply that may be an error.
func answer[T any](got T, err error) func(wanted any) error {
	return func(wanted any) error {
		if err != nil {
			return err
		}
		return expect(got, wanted)
	}
}

// in runs checks one after the other, up to the first that fails.
func in(checks ...func() error) error {
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func points(got []redis.TSTimestampValue, err error) func(wanted ...point) error {
	return func(wanted ...point) error {
		if err != nil {
			return err
		}
		have := []point{}
		for _, p := range got {
			have = append(have, point{p.Timestamp, p.Value})
		}
		return expect(have, wanted)
	}
}

// number reads what came as an integer, a double or a text.
func number(v any) float64 {
	n, err := strconv.ParseFloat(fmt.Sprint(v), 64)
	if err != nil {
		return math.NaN()
	}
	return n
}

// sample reads [time, value].
func sample(v any) point {
	pair, ok := v.([]any)
	if !ok || len(pair) != 2 {
		return point{-1, math.NaN()}
	}
	return point{int64(number(pair[0])), number(pair[1])}
}

// samples reads the last element of a row of TS.MRANGE.
func samples(row []any) []point {
	have := []point{}
	if len(row) > 0 {
		list, _ := row[len(row)-1].([]any)
		for _, v := range list {
			have = append(have, sample(v))
		}
	}
	return have
}

// ---- the steps ----

var three []point

func stepConnect() error {
	return in(func() error { return answer(r.Ping(ctx).Result())("PONG") },
		func() error { return answer(r.Echo(ctx, "hello").Result())("hello") })
}

func stepProtocol() error {
	info, err := r.Do(ctx, "CLIENT", "INFO").Text()
	if err != nil {
		return err
	}
	if !strings.Contains(info, fmt.Sprintf(" resp=%d", protocol)) {
		return fmt.Errorf("expected resp=%d, came %s", protocol, info)
	}
	return nil
}

func stepCreate() error {
	create := func(key, room string) error {
		options := &redis.TSOptions{Retention: 86400000, DuplicatePolicy: "LAST",
			Labels: map[string]string{"kind": "temp", "room": room}}
		return answer(r.TSCreateWithArgs(ctx, key, options).Result())("OK")
	}
	return in(func() error { return create("story:temp:1", "a") }, func() error { return create("story:temp:2", "b") })
}

func stepCreateTwice() error {
	return expectError(r.TSCreate(ctx, "story:temp:1").Err(), "key already exists")
}

func stepAdd() error {
	return in(func() error { return answer(r.TSAdd(ctx, "story:temp:1", t, 20.5).Result())(t) },
		func() error { return answer(r.TSAdd(ctx, "story:temp:1", t+1000, 21.5).Result())(t + 1000) })
}

func stepAddNow() error {
	at, err := r.TSAdd(ctx, "story:now", "*", 1).Result()
	if err != nil {
		return err
	}
	if now := time.Now().UnixMilli(); at < now-60000 || at > now+60000 {
		return fmt.Errorf("expected a time near %d, came %d", now, at)
	}
	return nil
}

func stepAddDeclares() error {
	options := &redis.TSOptions{Labels: map[string]string{"kind": "hum", "room": "a"}}
	return answer(r.TSAddWithArgs(ctx, "story:hum:1", t, 40, options).Result())(t)
}

func stepMadd() error {
	return answer(r.TSMAdd(ctx, [][]any{{"story:temp:1", t + 2000, 22.5}, {"story:temp:2", t, 10.5},
		{"story:temp:2", t + 60000, 11.5}}).Result())([]int64{t + 2000, t, t + 60000})
}

// TSMAdd has no place for an error among the times, so this one is asked in words.
func stepMaddPart() error {
	reply, err := r.Do(ctx, "TS.MADD", "story:temp:2", t+61000, 12.5, "story:temp:2", t+62000, "abc").Slice()
	if err != nil || len(reply) != 2 {
		return fmt.Errorf("expected two elements, came %v, %v", reply, err)
	}
	if err := expect(reply[0], t+61000); err != nil {
		return err
	}
	if _, isError := reply[1].(error); !isError {
		return fmt.Errorf("expected an error in the second place, came %v", reply[1])
	}
	return nil
}

func stepGet() error {
	return answer(r.TSGet(ctx, "story:temp:1").Result())(redis.TSTimestampValue{Timestamp: t + 2000, Value: 22.5})
}

func stepGetMissing() error {
	return expectError(r.TSGet(ctx, "story:none").Err(), "the key does not exist")
}

func stepRange() error {
	return points(r.TSRange(ctx, "story:temp:1", 0, all).Result())(three...)
}

func stepRangeCount() error {
	return points(r.TSRangeWithArgs(ctx, "story:temp:1", 0, all, &redis.TSRangeOptions{Count: 2}).Result())(three[:2]...)
}

func stepRangeValue() error {
	options := &redis.TSRangeOptions{FilterByValue: []int{21, 22}}
	return points(r.TSRangeWithArgs(ctx, "story:temp:1", 0, all, options).Result())(three[1])
}

func stepRangeBuckets() error {
	options := &redis.TSRangeOptions{Aggregators: []redis.Aggregator{redis.Avg}, BucketDuration: 60000}
	return points(r.TSRangeWithArgs(ctx, "story:temp:2", 0, all, options).Result())(point{t, 10.5}, point{t + 60000, 12})
}

func stepRevrange() error {
	return points(r.TSRevRange(ctx, "story:temp:1", 0, all).Result())(three[2], three[1], three[0])
}

func stepMget() error {
	rows, err := r.TSMGet(ctx, []string{"kind=temp"}).Result()
	if err != nil {
		return err
	}
	got := map[string]point{}
	for key, row := range rows {
		got[key] = sample(row[len(row)-1])
	}
	return expect(got, map[string]point{"story:temp:1": {t + 2000, 22.5}, "story:temp:2": {t + 61000, 12.5}})
}

func stepMrange() error {
	rows, err := r.TSMRange(ctx, int(t), int(t+59999), []string{"kind=temp"}).Result()
	if err != nil {
		return err
	}
	got := map[string][]point{}
	for key, row := range rows {
		got[key] = samples(row)
	}
	return expect(got, map[string][]point{"story:temp:1": three, "story:temp:2": {{t, 10.5}}})
}

func stepMrangeGroup() error {
	options := &redis.TSMRangeOptions{GroupByLabel: "kind", Reducer: "max"}
	rows, err := r.TSMRangeWithArgs(ctx, int(t), int(t+59999), []string{"kind=temp"}, options).Result()
	if err != nil {
		return err
	}
	if err := expect(len(rows), 1); err != nil {
		return err
	}
	return expect(samples(rows["kind=temp"]), three)
}

func stepQueryindex() error {
	keys, err := r.TSQueryIndex(ctx, []string{"kind=temp"}).Result()
	sort.Strings(keys)
	return answer(keys, err)([]string{"story:temp:1", "story:temp:2"})
}

// label finds a label in TS.INFO's reply: pairs in RESP2, a map in RESP3.
func label(labels any, name string) any {
	if as, ok := labels.(map[any]any); ok {
		return as[name]
	}
	pairs, _ := labels.([]any)
	for _, pair := range pairs {
		if p, ok := pair.([]any); ok && len(p) == 2 && p[0] == name {
			return p[1]
		}
	}
	return nil
}

func stepInfo() error {
	info, err := r.TSInfo(ctx, "story:temp:1").Result()
	if err != nil {
		return err
	}
	return expect([]any{info["totalSamples"], info["retentionTime"], label(info["labels"], "room")},
		[]any{int64(3), int64(86400000), "a"})
}

func stepAlter() error {
	options := &redis.TSAlterOptions{Labels: map[string]string{"kind": "temp", "room": "c"}}
	return in(func() error { return answer(r.TSAlter(ctx, "story:temp:1", options).Result())("OK") },
		func() error {
			return answer(r.TSQueryIndex(ctx, []string{"room=c"}).Result())([]string{"story:temp:1"})
		})
}

func stepIncrby() error {
	at := func(at int64) *redis.TSIncrDecrOptions { return &redis.TSIncrDecrOptions{Timestamp: at} }
	return in(func() error { return answer(r.TSIncrByWithArgs(ctx, "story:level", 2, at(t)).Result())(t) },
		func() error { return answer(r.TSIncrByWithArgs(ctx, "story:level", 3, at(t+1000)).Result())(t + 1000) },
		func() error { return answer(r.TSDecrByWithArgs(ctx, "story:level", 1, at(t+2000)).Result())(t + 2000) },
		func() error {
			return answer(r.TSGet(ctx, "story:level").Result())(redis.TSTimestampValue{Timestamp: t + 2000, Value: 4})
		})
}

func stepBlock() error {
	return in(func() error {
		return answer(r.TSCreateWithArgs(ctx, "story:block", &redis.TSOptions{DuplicatePolicy: "BLOCK"}).Result())("OK")
	},
		func() error { return answer(r.TSAdd(ctx, "story:block", t, 1).Result())(t) },
		func() error { return expectError(r.TSAdd(ctx, "story:block", t, 2).Err(), "DUPLICATE_POLICY") },
		func() error {
			return answer(r.TSGet(ctx, "story:block").Result())(redis.TSTimestampValue{Timestamp: t, Value: 1})
		})
}

func stepIgnore() error {
	options := &redis.TSOptions{DuplicatePolicy: "LAST", IgnoreMaxTimeDiff: 10000, IgnoreMaxValDiff: 1}
	return in(func() error { return answer(r.TSCreateWithArgs(ctx, "story:calm", options).Result())("OK") },
		func() error { return answer(r.TSAdd(ctx, "story:calm", t, 1).Result())(t) },
		func() error { return answer(r.TSAdd(ctx, "story:calm", t+1000, 1.5).Result())(t) })
}

func stepDel() error {
	return answer(r.TSDel(ctx, "story:temp:2", int(t+61000), int(t+61000)).Result())(int64(1))
}

func stepRule() error {
	add := func(at int64, value float64) func() error {
		return func() error { return answer(r.TSAdd(ctx, "story:raw", at, value).Result())(at) }
	}
	return in(func() error { return answer(r.TSCreate(ctx, "story:raw").Result())("OK") },
		func() error { return answer(r.TSCreate(ctx, "story:avg").Result())("OK") },
		func() error {
			return answer(r.TSCreateRule(ctx, "story:raw", "story:avg", redis.Avg, 60000).Result())("OK")
		},
		add(t, 1), add(t+1000, 3), add(t+60000, 10),
		func() error { return points(r.TSRange(ctx, "story:avg", 0, all).Result())(point{t, 2}) },
		func() error { return answer(r.TSDeleteRule(ctx, "story:raw", "story:avg").Result())("OK") })
}

func series(item string) string { return "host.queries.q." + item + ".time_us" }

func stepObserve() error {
	receipt, err := r.Do(ctx, "OBSERVE", "story1", t/1000, series(item1), 600, series(item2), 300, series(item3), 100).Text()
	if err != nil {
		return err
	}
	var partition, offset int64
	if n, err := fmt.Sscanf(receipt, "%d:%d", &partition, &offset); n != 2 {
		return fmt.Errorf("expected a receipt, came %s (%v)", receipt, err)
	}
	return nil
}

func flatRows(args ...any) ([][]any, error) {
	reply, err := r.Do(ctx, args...).Slice()
	rows := [][]any{}
	for _, row := range reply {
		cells, _ := row.([]any)
		rows = append(rows, cells)
	}
	return rows, err
}

func column(header []any, name string) int {
	for i, cell := range header {
		if cell == name {
			return i
		}
	}
	return 0
}

func stepTopq() error {
	rows, err := flatRows("TOPQ", t/1000, t/1000+60, "host.queries.q.*.time_us", "LIMIT", 2, "FORMAT", "flat")
	if err != nil || len(rows) != 5 {
		return fmt.Errorf("expected 5 rows, came %v, %v", rows, err)
	}
	item, value := column(rows[0], "item"), column(rows[0], "time_us")
	values := []float64{}
	for _, row := range rows[1:] {
		values = append(values, number(row[value]))
	}
	return in(func() error { return expect(values, []float64{600, 300, 100, 1000}) },
		func() error { return expect([]any{rows[1][item], rows[2][item]}, []any{item1, item2}) })
}

func stepDraw() error {
	rows, err := flatRows("RANGE", t/1000, t/1000+1, "STEP", 1, "FORMAT", "flat", "KEYS", "story1/"+series(item1))
	if err != nil || len(rows) != 2 || len(rows[1]) < 2 {
		return fmt.Errorf("expected 2 rows, came %v, %v", rows, err)
	}
	return expect([]float64{number(rows[1][0]), number(rows[1][1])}, []float64{float64(t / 1000), 600})
}

func stepErrors() error {
	one := r.Conn() // one connection for all five
	defer one.Close()
	return in(func() error { return expectError(one.Do(ctx, "NOSUCH").Err(), "unknown command") },
		func() error {
			return expectError(one.Do(ctx, "TS.ADD", "story:temp:1").Err(), "wrong number of arguments")
		},
		func() error {
			return expectError(one.Do(ctx, "TS.ADD", "story:temp:1", t, "abc").Err(), "invalid value")
		},
		func() error { return expectError(one.TSAdd(ctx, "story:temp:1", "when", 1).Err(), "invalid timestamp") },
		func() error { return answer(one.Ping(ctx).Result())("PONG") })
}

func stepPipeline() error {
	pipe := r.Pipeline()
	var commands []*redis.Cmd
	for i := int64(0); i <= 100; i++ {
		var value any = i
		if i == 50 {
			value = "x"
		}
		commands = append(commands, pipe.Do(ctx, "TS.ADD", "story:pipe", t+i*1000, value))
	}
	pipe.Exec(ctx) // its error is the first command's that has one
	for i, command := range commands {
		if i == 50 {
			if err := expectError(command.Err(), "invalid value"); err != nil {
				return err
			}
		} else if err := answer(command.Int64())(t + int64(i)*1000); err != nil {
			return err
		}
	}
	stored, err := r.TSRange(ctx, "story:pipe", 0, all).Result()
	return answer(len(stored), err)(100)
}

func stepTransaction() error {
	pipe := r.TxPipeline()
	first, second := pipe.TSAdd(ctx, "story:tx", t, 1), pipe.TSAdd(ctx, "story:tx", t+1000, 2)
	if _, err := pipe.Exec(ctx); err != nil {
		return err
	}
	return expect([]int64{first.Val(), second.Val()}, []int64{t, t + 1000})
}

func stepKeys() error {
	if err := in(func() error { return answer(r.Exists(ctx, "story:temp:1").Result())(int64(1)) },
		func() error { return answer(r.Type(ctx, "story:temp:1").Result())("TSDB-TYPE") }); err != nil {
		return err
	}
	keys := []string{}
	scan := r.Scan(ctx, 0, "story:temp:*", 10).Iterator()
	for scan.Next(ctx) {
		keys = append(keys, scan.Val())
	}
	sort.Strings(keys)
	return answer(keys, scan.Err())([]string{"story:temp:1", "story:temp:2"})
}

func stepDrop() error {
	return in(func() error { return answer(r.Del(ctx, "story:hum:1").Result())(int64(1)) },
		func() error { return answer(r.Exists(ctx, "story:hum:1").Result())(int64(0)) })
}

func stepRestart() error {
	fmt.Println("ask restart")
	input.ReadString('\n')
	return in(func() error {
		return untilAnswered(func() error {
			return answer(r.TSGet(ctx, "story:temp:1").Result())(redis.TSTimestampValue{Timestamp: t + 2000, Value: 22.5})
		})
	},
		func() error { return answer(r.TSAdd(ctx, "story:restart", t, 1).Result())(t) })
}

// ---- the stream ----

// wrong is what the server answered, or what was answered and should not: no reason to ask again.
func wrong(err error) bool {
	var reply redis.Error
	if err == nil {
		return false
	}
	if errors.As(err, &reply) {
		for _, word := range []string{"KAFKA", "BUSY", "LOADING"} {
			if strings.HasPrefix(reply.Error(), word) {
				return false
			}
		}
		return true
	}
	return strings.HasPrefix(err.Error(), "expected ")
}

// untilAnswered repeats: that must be harmless.
func untilAnswered(call func() error) error {
	deadline := time.Now().Add(60 * time.Second)
	for {
		err := call()
		if err == nil || wrong(err) || time.Now().After(deadline) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// onceStored reads back where no answer came, because repeating would count twice.
func onceStored(key string, at int64, call func() error) error {
	for {
		err := call()
		if err == nil || wrong(err) {
			return err
		}
		stored := false
		err = untilAnswered(func() error {
			found, err := r.TSRange(ctx, key, int(at), int(at)).Result()
			stored = len(found) > 0
			return err
		})
		if stored {
			return nil
		}
		if err != nil && !strings.Contains(err.Error(), "the key does not exist") {
			return err
		}
	}
}

func streamAdd(i, at int64) error {
	return untilAnswered(func() error { return answer(r.TSAdd(ctx, "story:stream:add", at, float64(i)).Result())(at) })
}

func streamSum(i, at int64) error {
	return onceStored("story:stream:sum", at, func() error {
		return answer(once.Do(ctx, "TS.ADD", "story:stream:sum", at, i+1, "ON_DUPLICATE", "SUM").Int64())(at)
	})
}

func streamCount(_, at int64) error {
	return onceStored("story:stream:count", at, func() error {
		return answer(once.TSIncrByWithArgs(ctx, "story:stream:count", 1, &redis.TSIncrDecrOptions{Timestamp: at}).Result())(at)
	})
}

func stream() {
	var back atomic.Bool
	go func() {
		input.ReadString('\n')
		back.Store(true)
	}()
	parts := []struct {
		name  string
		write func(i, at int64) error
		wrote int
		err   error
	}{{name: "add", write: streamAdd}, {name: "sum", write: streamSum}, {name: "count", write: streamCount}}
	left := 50
	for i := int64(0); left > 0 || i < 150; i++ {
		if i == 50 {
			fmt.Println("ask kill")
		}
		if back.Load() {
			left--
		}
		for p := range parts {
			if parts[p].err == nil {
				if parts[p].err = parts[p].write(i, t+i*1000); parts[p].err == nil {
					parts[p].wrote++
				}
			}
		}
	}
	for _, part := range parts {
		fmt.Printf("wrote story:stream:%s %d\n", part.name, part.wrote)
		say("stream-"+part.name, part.err)
	}
}

func say(name string, err error) {
	if err == nil {
		fmt.Println("ok", name)
	} else {
		fmt.Printf("not ok %s: %s\n", name, strings.ReplaceAll(err.Error(), "\n", " "))
	}
}

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: story HOST PORT PROTOCOL T")
		os.Exit(2)
	}
	protocol, _ = strconv.Atoi(os.Args[3])
	t, _ = strconv.ParseInt(os.Args[4], 10, 64)
	three = []point{{t, 20.5}, {t + 1000, 21.5}, {t + 2000, 22.5}}
	address := os.Args[1] + ":" + os.Args[2]
	r = redis.NewClient(&redis.Options{Addr: address, Protocol: protocol, UnstableResp3: true})
	once = redis.NewClient(&redis.Options{Addr: address, Protocol: protocol, UnstableResp3: true, MaxRetries: -1})
	defer r.Close()
	defer once.Close()
	for _, step := range []struct {
		name string
		run  func() error
	}{{"connect", stepConnect}, {"protocol", stepProtocol}, {"create", stepCreate}, {"create-twice", stepCreateTwice},
		{"add", stepAdd}, {"add-now", stepAddNow}, {"add-declares", stepAddDeclares}, {"madd", stepMadd},
		{"madd-part", stepMaddPart}, {"get", stepGet}, {"get-missing", stepGetMissing}, {"range", stepRange},
		{"range-count", stepRangeCount}, {"range-value", stepRangeValue}, {"range-buckets", stepRangeBuckets},
		{"revrange", stepRevrange}, {"mget", stepMget}, {"mrange", stepMrange}, {"mrange-group", stepMrangeGroup},
		{"queryindex", stepQueryindex}, {"info", stepInfo}, {"alter", stepAlter}, {"incrby", stepIncrby},
		{"block", stepBlock}, {"ignore", stepIgnore}, {"del", stepDel}, {"rule", stepRule}, {"observe", stepObserve},
		{"topq", stepTopq}, {"draw", stepDraw}, {"errors", stepErrors}, {"pipeline", stepPipeline},
		{"transaction", stepTransaction}, {"keys", stepKeys}, {"drop", stepDrop}, {"restart", stepRestart}} {
		say(step.name, step.run())
	}
	stream()
}
