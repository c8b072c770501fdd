package control

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/roundtabledb/roundtable/region/awsjson"
	"github.com/roundtabledb/roundtable/storage/schema"
)

// This file is what clients set of a table's throughput. All of it is kept and
// shown; none of it is enforced.

const invalid = "One or more parameter values were invalid: "

// maxThroughput is the greatest number of capacity units that DynamoDB reads.
const maxThroughput = 1_000_000_000_000

// What a new on-demand table takes at once, by DynamoDB's documentation.
const (
	warmReadUnits  = 12_000
	warmWriteUnits = 4_000
)

const moreOnWarm = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html#on-demand-capacity-mode-initial"

func checkBounds(p *types.ProvisionedThroughput) error {
	if n := *p.ReadCapacityUnits; n > maxThroughput {
		return awsjson.Validationf("Given value %d for ReadCapacityUnits is out of bounds", n)
	}
	if n := *p.WriteCapacityUnits; n > maxThroughput {
		return awsjson.Validationf("Given value %d for WriteCapacityUnits is out of bounds", n)
	}
	return nil
}

// setThroughput gives a new table the throughput of a request.
func setThroughput(t *schema.Table, in *dynamodb.CreateTableInput) error {
	p, onDemand := in.ProvisionedThroughput, t.BillingMode == schema.PayPerRequest
	switch {
	case onDemand && p != nil:
		return awsjson.Validationf(invalid + "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST")
	case !onDemand && p == nil:
		return awsjson.Validationf(invalid + "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED")
	case p != nil:
		if err := checkBounds(p); err != nil {
			return err
		}
		t.ReadUnits, t.WriteUnits = *p.ReadCapacityUnits, *p.WriteCapacityUnits
	}
	if o := in.OnDemandThroughput; o != nil {
		if err := checkOnDemand(o, 1); err != nil {
			return err
		}
		if name := onDemandMember(o); name != "" && !onDemand {
			return awsjson.Validationf(invalid+"%s for OnDemandThroughput cannot be specified when table BillingMode is PROVISIONED.", name)
		}
		t.MaxReadUnits, t.MaxWriteUnits = aws.ToInt64(o.MaxReadRequestUnits), aws.ToInt64(o.MaxWriteRequestUnits)
	}
	if w := in.WarmThroughput; w != nil {
		if err := checkFirstWarm(t, w); err != nil {
			return err
		}
		t.WarmReadUnits, t.WarmWriteUnits = aws.ToInt64(w.ReadUnitsPerSecond), aws.ToInt64(w.WriteUnitsPerSecond)
	}
	return nil
}

// checkOnDemand checks maximums against the least that they may be.
func checkOnDemand(o *types.OnDemandThroughput, least int64) error {
	wrong := func(n *int64) bool { return n != nil && (*n < least || *n == 0) }
	const text = invalid + "Requested %s for OnDemandThroughput for table is outside of valid range"
	switch {
	case wrong(o.MaxReadRequestUnits):
		return awsjson.Validationf(text, "MaxReadRequestUnits")
	case wrong(o.MaxWriteRequestUnits):
		return awsjson.Validationf(text, "MaxWriteRequestUnits")
	}
	return nil
}

// onDemandMember is the first member that a request gives.
func onDemandMember(o *types.OnDemandThroughput) string {
	switch {
	case o.MaxReadRequestUnits != nil:
		return "MaxReadRequestUnits"
	case o.MaxWriteRequestUnits != nil:
		return "MaxWriteRequestUnits"
	default:
		return ""
	}
}

// checkFirstWarm checks the warm throughput of a new table: no less than what
// its billing mode gives it anyhow.
func checkFirstWarm(t *schema.Table, w *types.WarmThroughput) error {
	reads, writes := warm(t)
	for _, m := range []struct {
		name, provisioned string
		asked             *int64
		least             int64
	}{
		{"ReadUnitsPerSecond", "ReadCapacityUnits", w.ReadUnitsPerSecond, reads},
		{"WriteUnitsPerSecond", "WriteCapacityUnits", w.WriteUnitsPerSecond, writes},
	} {
		switch {
		case m.asked == nil || *m.asked >= m.least:
		case t.BillingMode == schema.PayPerRequest:
			return awsjson.Validationf(invalid+"Requested %s for WarmThroughput for table is lower than initial throughput for OnDemand. See: %s", m.name, moreOnWarm)
		default:
			return awsjson.Validationf(invalid+"Requested %s for WarmThroughput for table is lower than %s of ProvisionedThroughput", m.name, m.provisioned)
		}
	}
	return nil
}

// warm is what a table's WarmThroughput shows: the most that it has ever been
// set up for.
func warm(t *schema.Table) (reads, writes int64) {
	reads, writes = max(t.ReadUnits, t.WarmReadUnits), max(t.WriteUnits, t.WarmWriteUnits)
	if t.BillingMode == schema.PayPerRequest {
		reads, writes = max(reads, warmReadUnits), max(writes, warmWriteUnits)
	}
	return reads, writes
}

// setWarm raises the warm throughput of a table.
func setWarm(t *schema.Table, w *types.WarmThroughput) error {
	reads, writes := warm(t)
	const text = invalid + "Requested %s for WarmThroughput for table is lower than current WarmThroughput, decreasing WarmThroughput is not supported"
	switch {
	case w.ReadUnitsPerSecond != nil && *w.ReadUnitsPerSecond < reads:
		return awsjson.Validationf(text, "ReadUnitsPerSecond")
	case w.WriteUnitsPerSecond != nil && *w.WriteUnitsPerSecond < writes:
		return awsjson.Validationf(text, "WriteUnitsPerSecond")
	}
	t.WarmReadUnits, t.WarmWriteUnits = max(reads, aws.ToInt64(w.ReadUnitsPerSecond)), max(writes, aws.ToInt64(w.WriteUnitsPerSecond))
	return nil
}

// setOnDemand changes the maximums of a table: those that a request names, where
// -1 takes one away.
func setOnDemand(t *schema.Table, o *types.OnDemandThroughput) error {
	if err := checkOnDemand(o, -1); err != nil {
		return err
	}
	if t.BillingMode != schema.PayPerRequest {
		return awsjson.Validationf(invalid+"%s for OnDemandThroughput cannot be specified when the table BillingMode is PROVISIONED", onDemandMember(o))
	}
	set := func(units *int64, n *int64) {
		if n != nil {
			*units = max(*n, 0)
		}
	}
	set(&t.MaxReadUnits, o.MaxReadRequestUnits)
	set(&t.MaxWriteUnits, o.MaxWriteRequestUnits)
	return nil
}

// setBilling changes the billing mode of a table and its provisioned units.
func setBilling(t *schema.Table, in *dynamodb.UpdateTableInput, now time.Time) error {
	p, mode := in.ProvisionedThroughput, string(in.BillingMode)
	switch {
	case p != nil && mode == schema.PayPerRequest:
		return awsjson.Validationf(invalid + "ProvisionedThroughput cannot be specified when BillingMode is PAY_PER_REQUEST")
	case p != nil && mode == "" && t.BillingMode == schema.PayPerRequest:
		return awsjson.Validationf(invalid + "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST")
	case p == nil && mode == schema.Provisioned:
		return awsjson.Validationf(invalid + "ProvisionedThroughput must be specified when BillingMode is PROVISIONED")
	}
	// What the table was set up for, it stays warm for.
	t.WarmReadUnits, t.WarmWriteUnits = warm(t)
	if mode == schema.PayPerRequest {
		if t.BillingMode != mode {
			t.Billing.PayPerRequestMillis = now.UnixMilli()
		}
		t.BillingMode, t.ReadUnits, t.WriteUnits = mode, 0, 0
		return nil
	}
	if p == nil {
		return nil
	}
	return setUnits(t, *p.ReadCapacityUnits, *p.WriteCapacityUnits, now)
}

// setUnits changes the provisioned units of a table, or makes it PROVISIONED.
func setUnits(t *schema.Table, reads, writes int64, now time.Time) error {
	if t.BillingMode == schema.PayPerRequest {
		t.Billing.PayPerRequestMillis = payPerRequestSince(t)
		t.Billing.IncreaseMillis = now.UnixMilli()
		t.BillingMode, t.ReadUnits, t.WriteUnits = schema.Provisioned, reads, writes
		return nil
	}
	if t.ReadUnits == reads && t.WriteUnits == writes {
		return awsjson.Validationf("The provisioned throughput for the table will not change. The requested value equals the current value. "+
			"Current ReadCapacityUnits provisioned for the table: %d. Requested ReadCapacityUnits: %d. "+
			"Current WriteCapacityUnits provisioned for the table: %d. Requested WriteCapacityUnits: %d. "+
			"Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits.",
			t.ReadUnits, reads, t.WriteUnits, writes)
	}
	b := &t.Billing
	if reads > t.ReadUnits || writes > t.WriteUnits {
		b.IncreaseMillis = now.UnixMilli()
	}
	if reads < t.ReadUnits || writes < t.WriteUnits {
		b.Decreases = decreasesToday(t, now) + 1
		b.DecreaseMillis = now.UnixMilli()
	}
	t.ReadUnits, t.WriteUnits = reads, writes
	return nil
}

// payPerRequestSince is when a table last became PAY_PER_REQUEST, in
// milliseconds, 0 if it never was.
func payPerRequestSince(t *schema.Table) int64 {
	if t.BillingMode == schema.PayPerRequest && t.Billing.PayPerRequestMillis == 0 {
		return t.CreatedMillis
	}
	return t.Billing.PayPerRequestMillis
}

// decreasesToday is how often units were lowered on the day of now, in UTC.
func decreasesToday(t *schema.Table, now time.Time) int64 {
	const day = 24 * time.Hour
	if t.Billing.DecreaseMillis == 0 || !time.UnixMilli(t.Billing.DecreaseMillis).Truncate(day).Equal(now.Truncate(day)) {
		return 0
	}
	return t.Billing.Decreases
}
