package clients

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/roundtabledb/roundtable/e2e/harness"
)

// boto3 runs testdata/boto3_visit.py, which works on a table as Python programs
// do, and fails where an assertion of it does.
func boto3(t *testing.T, d *harness.Deployment) {
	needs(t, "boto3", "python3", "-c", "import boto3")
	ctx := within(t, 3*time.Minute)
	args := []string{"testdata/boto3_visit.py"}
	for _, r := range d.Regions {
		args = append(args, r.Name+"="+r.Nodes[1].Endpoint())
	}
	cmd := exec.CommandContext(ctx, "python3", args...)
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=any", "AWS_SECRET_ACCESS_KEY=any", "AWS_CONFIG_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}
