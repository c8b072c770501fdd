package main

import (
	"fmt"
	"os"
	"sort"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"gopkg.in/yaml.v3"
)

// Every setting of a command has one name: the flag --data-dir is the variable
// ROUNDTABLE_DATA_DIR and the key data-dir of the configuration file. A flag
// counts more than a variable, and a variable more than the file.

const configFlag = "config"

// settle gives each flag that was not set on the command line its value from
// the environment or from the configuration file.
func settle(cmd *cobra.Command) error {
	flags := cmd.Flags()
	file, path, err := readConfig(flags)
	if err != nil {
		return err
	}
	for key := range file {
		if flags.Lookup(key) == nil || key == configFlag {
			return fmt.Errorf("%s: there is no setting %q; the settings of %q are: %s", path, key, cmd.CommandPath(), settings(flags))
		}
	}
	var failed error
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Changed || f.Name == configFlag || f.Name == "help" || failed != nil {
			return
		}
		if value, ok := os.LookupEnv(variable(f.Name)); ok {
			failed = set(flags, f.Name, []string{value}, variable(f.Name))
		} else if values, ok := file[f.Name]; ok {
			failed = set(flags, f.Name, values, path+": "+f.Name)
		}
	})
	return failed
}

func variable(flag string) string {
	return "ROUNDTABLE_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// set sets a flag, which takes several values if it is a list.
func set(flags *pflag.FlagSet, name string, values []string, source string) error {
	for _, v := range values {
		if err := flags.Set(name, v); err != nil {
			return fmt.Errorf("%s: %w", source, err)
		}
	}
	return nil
}

func settings(flags *pflag.FlagSet) string {
	var names []string
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Name != configFlag && f.Name != "help" {
			names = append(names, f.Name)
		}
	})
	sort.Strings(names)
	return strings.Join(names, ", ")
}

// readConfig reads the configuration file that a command was given, if any.
func readConfig(flags *pflag.FlagSet) (map[string][]string, string, error) {
	if flags.Lookup(configFlag) == nil {
		return nil, "", nil
	}
	path, err := flags.GetString(configFlag)
	if err != nil {
		return nil, "", err
	}
	if path == "" {
		path = os.Getenv(variable(configFlag))
	}
	if path == "" {
		return nil, "", nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, path, fmt.Errorf("read the configuration: %w", err)
	}
	var raw map[string]yaml.Node
	if err := yaml.Unmarshal(text, &raw); err != nil {
		return nil, path, fmt.Errorf("read the configuration %s: %w", path, err)
	}
	values := map[string][]string{}
	for key, node := range raw {
		if values[key], err = flatten(&node); err != nil {
			return nil, path, fmt.Errorf("%s: %s: %w", path, key, err)
		}
	}
	return values, path, nil
}

// flatten turns a value of the file into what would stand on the command line:
// a list into several values, a map into name=value.
func flatten(node *yaml.Node) ([]string, error) {
	switch node.Kind {
	case yaml.ScalarNode:
		return []string{node.Value}, nil
	case yaml.SequenceNode:
		var all []string
		for _, n := range node.Content {
			if n.Kind != yaml.ScalarNode {
				return nil, fmt.Errorf("line %d: a list holds plain values", n.Line)
			}
			all = append(all, n.Value)
		}
		return all, nil
	case yaml.MappingNode:
		var all []string
		for i := 0; i+1 < len(node.Content); i += 2 {
			values, err := flatten(node.Content[i+1])
			if err != nil {
				return nil, err
			}
			for _, v := range values {
				all = append(all, node.Content[i].Value+"="+v)
			}
		}
		return all, nil
	}
	return nil, fmt.Errorf("line %d: not a value, a list or a map", node.Line)
}

// remotes reads region=host:port settings into addresses by region.
func remotes(settings []string) (map[string][]string, error) {
	all := map[string][]string{}
	for _, s := range settings {
		region, address, ok := strings.Cut(s, "=")
		if !ok || region == "" || address == "" {
			return nil, fmt.Errorf("remote %q is not region=host:port", s)
		}
		all[region] = append(all[region], address)
	}
	return all, nil
}
