//go:build unix

package compose

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// project is the name of the only deployment that tests have. One test at a
// time has it, so what is left of it when a test begins is nobody's.
const project = "roundtable-test"

// deployment is containers, networks, volumes and an image of a test.
type deployment struct {
	t      *testing.T
	subnet string // the first two bytes of all addresses
	ports  string // the digit before all ports
}

// newDeployment makes room for a deployment, or skips the test where there is no
// docker. It is removed at the end, and so are remains of an earlier one.
func newDeployment(t *testing.T) *deployment {
	t.Helper()
	requireDocker(t)
	alone(t)
	d := &deployment{t: t}
	d.remove()
	t.Cleanup(func() {
		if t.Failed() {
			d.explain()
		}
		d.remove()
		for _, kind := range kinds {
			if left := d.owned(kind); len(left) > 0 {
				t.Errorf("of kind %s there are left: %q", kind, left)
			}
		}
	})
	d.subnet, d.ports = d.freeSubnet(), freePorts(t)
	return d
}

func requireDocker(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("docker"); err != nil {
		t.Skip("there is no docker on this machine: nothing is known of deploy/compose here")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "docker", "version").CombinedOutput(); err != nil {
		t.Skipf("no docker engine answers: nothing is known of deploy/compose here: %v\n%s", err, out)
	}
	if exec.CommandContext(ctx, "docker", "compose", "version").Run() != nil {
		if _, err := exec.LookPath("docker-compose"); err != nil {
			t.Skip("docker has no compose here, neither 1 nor 2")
		}
	}
}

// alone waits until no other test process has the deployment. The lock goes
// with the process, however it ends.
func alone(t *testing.T) {
	t.Helper()
	lock, err := os.OpenFile(filepath.Join(os.TempDir(), project+".lock"), os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lock.Close() })
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
}

// script runs a script of deploy/compose and returns what it said.
func (d *deployment) script(patience time.Duration, name string, args ...string) string {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", append([]string{folder + name}, args...)...)
	cmd.Env = append(os.Environ(),
		"ROUNDTABLE_PROJECT="+project, "ROUNDTABLE_IMAGE="+project+":local",
		"ROUNDTABLE_SUBNET="+d.subnet, "ROUNDTABLE_PORTS="+d.ports, "ONCE=")
	// A script that takes too long goes with all that it has started.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	said := &log{t: d.t}
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Run(); err != nil {
		d.t.Fatalf("%s %s: %v", name, strings.Join(args, " "), errors.Join(err, ctx.Err()))
	}
	return said.all.String()
}

// docker runs a command of docker and returns its words. It does not ask the
// test's context, which has ended when the deployment is removed.
func (d *deployment) docker(args ...string) []string {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "docker", args...).CombinedOutput()
	if err != nil {
		d.t.Errorf("docker %s: %v\n%s", strings.Join(args, " "), errors.Join(err, ctx.Err()), out)
		return nil
	}
	return strings.Fields(string(out))
}

func (d *deployment) inspect(node, format string) string {
	d.t.Helper()
	return strings.Join(d.docker("inspect", "-f", format, project+"-"+node), " ")
}

var kinds = []string{"container", "network", "volume"}

// owned is what the deployment has of a kind.
func (d *deployment) owned(kind string) []string {
	args := []string{kind, "ls", "-q", "--filter", "label=com.docker.compose.project=" + project}
	if kind == "container" {
		args = append(args, "-a")
	}
	return d.docker(args...)
}

// remove removes everything that the deployment has.
func (d *deployment) remove() {
	for _, kind := range kinds {
		if all := d.owned(kind); len(all) > 0 {
			d.docker(append(strings.Fields(kind+" rm"+map[string]string{"container": " -f -v"}[kind]), all...)...)
		}
	}
	if image := d.docker("image", "ls", "-q", project+":local"); len(image) > 0 {
		d.docker("image", "rm", project+":local")
	}
}

// explain shows what there is and what each node said last.
func (d *deployment) explain() {
	for _, id := range d.owned("container") {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		state, _ := exec.CommandContext(ctx, "docker", "inspect", "-f", "{{.Name}} {{.State.Status}} exit {{.State.ExitCode}}", id).CombinedOutput()
		said, _ := exec.CommandContext(ctx, "docker", "logs", "--tail", "15", id).CombinedOutput()
		cancel()
		d.t.Logf("%s%s", state, said)
	}
}

// freeSubnet is the first two bytes of networks that overlap none of docker's.
func (d *deployment) freeSubnet() string {
	d.t.Helper()
	var taken []netip.Prefix
	networks := d.docker("network", "ls", "-q")
	for _, s := range d.docker(append([]string{"network", "inspect", "-f", "{{range .IPAM.Config}}{{.Subnet}} {{end}}"}, networks...)...) {
		if p, err := netip.ParsePrefix(s); err == nil {
			taken = append(taken, p)
		}
	}
candidates:
	for _, subnet := range []string{"172.29", "10.213", "10.214", "192.168"} {
		for _, p := range taken {
			if p.Overlaps(netip.MustParsePrefix(subnet + ".0.0/22")) {
				continue candidates
			}
		}
		return subnet
	}
	d.t.Skipf("the networks of docker leave no room for those of the test: %v", taken)
	return ""
}

// freePorts is the digit that makes all ports of a deployment free ones.
func freePorts(t *testing.T) string {
	t.Helper()
candidates:
	for _, digit := range []string{"1", "2"} {
		for _, kind := range []int{8, 9} {
			for row := 1; row <= 3; row++ {
				for n := 1; n <= 3; n++ {
					l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%s%d%d0%d", digit, kind, row, n))
					if err != nil {
						continue candidates
					}
					l.Close()
				}
			}
		}
		return digit
	}
	t.Skip("neither the ports 18101 to 19303 nor 28101 to 29303 are all free")
	return ""
}
