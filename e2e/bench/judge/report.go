package judge

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"text/tabwriter"
)

// WriteJSON writes rows for programs.
func WriteJSON(w io.Writer, rows []Row) error {
	if rows == nil {
		rows = []Row{} // a list, not null
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false) // targets have angle brackets
	e.SetIndent("", "  ")
	return e.Encode(rows)
}

// WriteTable writes rows for people.
func WriteTable(w io.Writer, rows []Row) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "goal\tmeasured\tvalue\tpeer\tpeer's value\tratio (lowest-highest)\ttarget\tmet")
	for i := range rows {
		r := &rows[i]
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
			r.Goal, r.Name, r.value(), orDash(r.Peer), r.peerValue(), r.ratio(), orDash(r.Target), verdict(r.Met))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	return writeNotes(w, rows)
}

func writeNotes(w io.Writer, rows []Row) error {
	for i := range rows {
		if r := &rows[i]; r.Note != "" {
			if _, err := fmt.Fprintf(w, "goal %d, %s: %s\n", r.Goal, r.Name, r.Note); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *Row) value() string {
	if r.Value == nil {
		return "not measured"
	}
	text := short(*r.Value) + " " + r.Unit
	if r.Peer == "" && r.Rounds > 1 {
		text += fmt.Sprintf(" (%s-%s)", short(*r.Lowest), short(*r.Highest))
	}
	return text
}

func (r *Row) peerValue() string {
	switch {
	case r.Peer == "":
		return "-"
	case r.PeerValue == nil:
		return "missing"
	}
	return short(*r.PeerValue) + " " + r.Unit
}

func (r *Row) ratio() string {
	if r.Ratio == nil {
		return "-"
	}
	return fmt.Sprintf("%s (%s-%s)", short(*r.Ratio), short(*r.Lowest), short(*r.Highest))
}

// short shows about three digits, as far as rounds agree at best.
func short(x float64) string {
	switch a := math.Abs(x); {
	case a == 0 || a >= 100:
		return strconv.FormatFloat(x, 'f', 0, 64)
	case a >= 10:
		return strconv.FormatFloat(x, 'f', 1, 64)
	case a >= 0.1:
		return strconv.FormatFloat(x, 'f', 2, 64)
	}
	return strconv.FormatFloat(x, 'g', 2, 64)
}

func verdict(met *bool) string {
	switch {
	case met == nil:
		return "-"
	case *met:
		return "yes"
	}
	return "NO"
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
