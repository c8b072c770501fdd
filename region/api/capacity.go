package api

import (
	"strconv"

	"github.com/roundtabledb/roundtable/region/awsjson"
)

// The units of capacity: a write unit writes 1 KB, a read unit reads 4 KB, and
// an eventually consistent read costs half.
const (
	readUnitBytes  = 4096
	writeUnitBytes = 1024
)

// readUnits is what it costs to read so many bytes at once.
func readUnits(bytes int, consistent bool) float64 {
	units := float64(max(1, (bytes+readUnitBytes-1)/readUnitBytes))
	if !consistent {
		units /= 2
	}
	return units
}

// writeUnits is what it costs to write an item: by the greater of its sizes
// before and after.
func writeUnits(oldSize, newSize int) float64 {
	return float64(max(1, (max(oldSize, newSize)+writeUnitBytes-1)/writeUnitBytes))
}

// consumed writes ConsumedCapacity, if the request asks for it. table is what the
// request calls the table, which may be an ARN.
func (w *writer) consumed(mode awsjson.Text, table string, units float64) {
	if mode.Or("NONE") == "NONE" {
		return
	}
	w.member("ConsumedCapacity")
	w.capacity(mode, table, units)
}

// capacity writes one table's consumed capacity.
func (w *writer) capacity(mode awsjson.Text, table string, units float64) {
	w.begin()
	w.member("TableName")
	w.b = awsjson.AppendString(w.b, table)
	w.units(units)
	if mode.Value == "INDEXES" {
		w.member("Table")
		w.begin()
		w.units(units)
		w.end()
	}
	w.end()
}

func (w *writer) units(units float64) {
	w.member("CapacityUnits")
	w.b = strconv.AppendFloat(w.b, units, 'f', 1, 64)
}

// consumedByTable writes the ConsumedCapacity of a batch, if the request asks
// for it.
func (w *writer) consumedByTable(mode awsjson.Text, tables int, table func(i int) (string, float64)) {
	if mode.Or("NONE") == "NONE" {
		return
	}
	w.member("ConsumedCapacity")
	w.b = append(w.b, '[')
	for i := range tables {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		name, units := table(i)
		w.capacity(mode, name, units)
	}
	w.b = append(w.b, ']')
}
