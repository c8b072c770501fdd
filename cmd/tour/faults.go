package tour

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func isNotFound(err error) bool {
	var notFound *types.ResourceNotFoundException
	return errors.As(err, &notFound)
}

// load is a number of writers, each with keys of its own, who write growing
// numbers. So what is stored must never be less than what was acknowledged.
type load struct {
	t      *Tour
	region int
	prefix string
	stop   context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	acked   map[string]int
	writes  int
	failed  int
	longest time.Duration
}

const writers = 16

func (t *Tour) startLoad(ctx context.Context, region int, prefix string) *load {
	ctx, stop := context.WithCancel(ctx)
	l := &load{t: t, region: region, prefix: prefix, stop: stop, acked: map[string]int{}}
	for w := range writers {
		l.wg.Go(func() { l.write(ctx, fmt.Sprintf("%s-%d", prefix, w)) })
	}
	return l
}

// write writes 1, 2, 3, … under one key until ctx ends.
func (l *load) write(ctx context.Context, key string) {
	for n := 1; ctx.Err() == nil; n++ {
		begin := time.Now()
		err := l.t.put(context.WithoutCancel(ctx), l.region, key, fmt.Sprint(n))
		took := time.Since(begin)
		l.mu.Lock()
		if err == nil {
			l.acked[key] = n
			l.writes++
		} else {
			l.failed++
		}
		l.longest = max(l.longest, took)
		l.mu.Unlock()
	}
}

// end stops the writers and compares what a region has with what was
// acknowledged.
func (l *load) end() {
	l.stop()
	l.wg.Wait()
}

// kept checks that a region has every write that was acknowledged.
func (l *load) kept(ctx context.Context, region int) error {
	for key, n := range l.acked {
		v, err := l.t.get(ctx, region, key)
		if err != nil {
			return err
		}
		var stored int
		if _, err := fmt.Sscan(v, &stored); err != nil || stored < n {
			return fmt.Errorf("%s of %s: %d was acknowledged, %q is stored", key, l.t.options.Regions[region].Name, n, v)
		}
	}
	return nil
}

// killNode kills a node of the first region while clients write there.
func (t *Tour) killNode(ctx context.Context) (string, error) {
	region := t.options.Regions[0].Name
	l := t.startLoad(ctx, 0, "kill")
	defer l.end()
	wait(ctx, time.Second)
	if err := t.options.Environment.StopNode(ctx, region); err != nil {
		return "", err
	}
	wait(ctx, 5*time.Second)
	if err := t.options.Environment.StartNode(ctx, region); err != nil {
		return "", err
	}
	wait(ctx, 2*time.Second)
	l.end()
	if err := l.kept(ctx, 0); err != nil {
		return "", err
	}
	if l.writes == 0 {
		return "", errors.New("no write was acknowledged at all")
	}
	return fmt.Sprintf("%d writes acknowledged, %d failed, 0 lost, the longest took %s", l.writes, l.failed, round(l.longest)), nil
}

// cutRegion cuts the last region off while clients write there and elsewhere.
func (t *Tour) cutRegion(ctx context.Context) (string, error) {
	cut := len(t.clients) - 1
	name := t.last().Name
	if err := t.options.Environment.Cut(ctx, name); err != nil {
		return "", err
	}
	inside, outside := t.startLoad(ctx, cut, "cut-inside"), t.startLoad(ctx, 0, "cut-outside")
	wait(ctx, t.options.CutFor)
	inside.end()
	outside.end()
	apart, err := t.get(ctx, 0, "cut-inside-0")
	if err == nil && apart != "" {
		err = errors.New("a write of the region that was cut off arrived elsewhere: it was not cut off")
	}
	if healed := t.options.Environment.Heal(ctx, name); err == nil {
		err = healed
	}
	if err != nil {
		return "", err
	}
	if inside.writes == 0 || outside.writes == 0 {
		return "", fmt.Errorf("writes acknowledged: %d in the region that was cut off, %d elsewhere", inside.writes, outside.writes)
	}
	begin := time.Now()
	err = until(ctx, "both sides to have each other's writes", func() (bool, error) {
		for i := range t.clients {
			if inside.kept(ctx, i) != nil || outside.kept(ctx, i) != nil {
				return false, nil
			}
		}
		return true, nil
	})
	return fmt.Sprintf("%d writes acknowledged inside and %d outside during %s, everywhere %s after healing",
		inside.writes, outside.writes, round(t.options.CutFor), round(time.Since(begin))), err
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// compare reads all items of all regions until they are the same.
func (t *Tour) compare(ctx context.Context) (string, error) {
	var items int
	var last error
	err := until(ctx, "all regions to be the same", func() (bool, error) {
		all := make([]map[string]string, len(t.clients))
		for i := range t.clients {
			var err error
			if all[i], err = t.scan(ctx, i); err != nil {
				return false, err
			}
		}
		items = len(all[0])
		for i := range all[1:] {
			if last = same(all[0], all[i+1], t.options.Regions[0].Name, t.options.Regions[i+1].Name); last != nil {
				return false, nil
			}
		}
		return true, nil
	})
	if err != nil {
		return "", errors.Join(err, last)
	}
	return fmt.Sprintf("%d items in each of %d regions, attribute by attribute", items, len(t.clients)), nil
}

func same(a, b map[string]string, nameA, nameB string) error {
	for key, v := range a {
		if w, ok := b[key]; !ok || w != v {
			return fmt.Errorf("%s is %q in %s and %q in %s", key, v, nameA, w, nameB)
		}
	}
	if len(a) != len(b) {
		return fmt.Errorf("%d items in %s, %d in %s", len(a), nameA, len(b), nameB)
	}
	return nil
}

// scan reads all items of a region.
func (t *Tour) scan(ctx context.Context, region int) (map[string]string, error) {
	items := map[string]string{}
	pages := dynamodb.NewScanPaginator(t.clients[region], &dynamodb.ScanInput{
		TableName: aws.String(t.options.Table), ConsistentRead: aws.Bool(true),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, item := range page.Items {
			text, err := canonical(item)
			if err != nil {
				return nil, err
			}
			key, _ := item["pk"].(*types.AttributeValueMemberS)
			if key == nil {
				return nil, fmt.Errorf("an item has no key: %v", text)
			}
			items[key.Value] = text
		}
	}
	return items, nil
}

// canonical is a text that equal items have alike.
func canonical(item map[string]types.AttributeValue) (string, error) {
	text := ""
	for _, name := range slices.Sorted(maps.Keys(item)) {
		v, ok := item[name].(*types.AttributeValueMemberS)
		if !ok {
			return "", fmt.Errorf("attribute %s is a %T, which the tour never wrote", name, item[name])
		}
		text += fmt.Sprintf("%q=%q ", name, v.Value)
	}
	return text, nil
}
