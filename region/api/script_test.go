package api_test

import (
	"maps"
	"testing"

	"github.com/roundtabledb/roundtable/region/api"
	"github.com/roundtabledb/roundtable/region/api/apitest"
	"github.com/roundtabledb/roundtable/region/awsjson"
	"github.com/roundtabledb/roundtable/region/constraint"
	"github.com/roundtabledb/roundtable/region/control"
)

func targets(s *apitest.Store) awsjson.Targets {
	t := api.New(s, constraint.Home{Region: apitest.Region, Account: "000000000000"}).Targets()
	maps.Copy(t, control.New(control.Options{Region: apitest.Region, Tables: s}).Targets())
	return t
}

func TestScripts(t *testing.T) { apitest.Run(t, "testdata/*.txt", targets) }
