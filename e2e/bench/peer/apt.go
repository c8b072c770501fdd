package peer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// debian finds a program, and installs the Debian package that has it when this
// process may.
func debian(ctx context.Context, program, packageName string) (string, error) {
	path, err := exec.LookPath(program)
	if err == nil {
		return path, nil
	}
	missing := func(err error) (string, error) { return "", &MissingError{program, err} }
	apt, notDebian := exec.LookPath("apt-get")
	if notDebian != nil || os.Geteuid() != 0 {
		return missing(fmt.Errorf("install %s: %w", packageName, err))
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	if err := install(ctx, apt, packageName); err != nil {
		return missing(err)
	}
	if path, err = exec.LookPath(program); err != nil {
		return missing(err)
	}
	return path, nil
}

// install installs a package, and looks for newer lists only if it must.
func install(ctx context.Context, apt, packageName string) error {
	run := func(arguments ...string) error {
		cmd := exec.CommandContext(ctx, apt, arguments...)
		// The package must not start a service that takes the machine's time.
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %v: %w: %s", arguments, err, out[max(0, len(out)-300):])
		}
		return nil
	}
	err := run("install", "-y", "--no-install-recommends", packageName)
	if err == nil {
		return nil
	}
	if update := run("update"); update != nil {
		return errors.Join(err, update)
	}
	return run("install", "-y", "--no-install-recommends", packageName)
}
