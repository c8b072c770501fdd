package conformance

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// Script is one file of cases.
type Script struct {
	Tables []Table
	Cases  []Case
}

// Table is a table that a script needs.
type Table struct {
	Name string
	Keys []Key
}

// Key is a key attribute: its name and its type, S, N or B.
type Key struct{ Name, Type string }

// Case is a title and what is asked under it.
type Case struct {
	Title string
	Line  int
	Steps []Step
}

// Step is a request and the answers that are right.
type Step struct {
	Line            int
	Operation, Body string
	Answers         []Answer
}

var (
	tableLine   = regexp.MustCompile(`^table (\S+)((?: \S+:[SNB])+)$`)
	requestLine = regexp.MustCompile(`^([A-Z][A-Za-z]+) ([\s\S]*)$`)
	answerLine  = regexp.MustCompile(`^(or )?([1-5][0-9][0-9])(?: |$)([\s\S]*)$`)
)

// ReadScript reads a file of cases.
func ReadScript(file string) (*Script, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	s := new(Script)
	lines := strings.Split(string(text), "\n")
	for i := 0; i < len(lines); i++ {
		at, line := i+1, lines[i]
		for i+1 < len(lines) && strings.HasPrefix(lines[i+1], " ") {
			i++
			line += strings.TrimSpace(lines[i])
		}
		if line == "" || line[0] == '#' {
			continue
		}
		if err := s.add(line, at); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, at, err)
		}
	}
	return s, nil
}

func (s *Script) add(line string, at int) error {
	if title, ok := strings.CutPrefix(line, "== "); ok {
		s.Cases = append(s.Cases, Case{Title: title, Line: at})
		return nil
	}
	if m := tableLine.FindStringSubmatch(expand(line)); m != nil {
		t := Table{Name: m[1]}
		for _, k := range strings.Fields(m[2]) {
			name, kind, _ := strings.Cut(k, ":")
			t.Keys = append(t.Keys, Key{name, kind})
		}
		s.Tables = append(s.Tables, t)
		return nil
	}
	if len(s.Cases) == 0 {
		return fmt.Errorf("a title, == and some words, has to come first")
	}
	c := &s.Cases[len(s.Cases)-1]
	if m := answerLine.FindStringSubmatch(line); m != nil {
		if len(c.Steps) == 0 {
			return fmt.Errorf("an answer without a request")
		}
		step := &c.Steps[len(c.Steps)-1]
		if (m[1] == "") != (len(step.Answers) == 0) {
			return fmt.Errorf("a second answer begins with or, a first one does not")
		}
		status, err := strconv.Atoi(m[2])
		if err != nil {
			return err
		}
		answer, err := parseAnswer(status, expand(m[3]))
		if err != nil {
			return err
		}
		step.Answers = append(step.Answers, answer)
		return nil
	}
	if m := requestLine.FindStringSubmatch(line); m != nil {
		c.Steps = append(c.Steps, Step{Line: at, Operation: m[1], Body: expand(m[2])})
		return nil
	}
	return fmt.Errorf("neither a title, a table, a request nor an answer: %.40s", line)
}

var repeated = regexp.MustCompile(`<<(\d+)(:|,) (.*?)>>`)

// expand writes out what <<n: x>> and <<n, x>> stand for, the innermost first.
func expand(s string) string {
	return repeated.ReplaceAllStringFunc(s, func(match string) string {
		m := repeated.FindStringSubmatch(match)
		n, _ := strconv.Atoi(m[1])
		separator := ""
		if m[2] == "," {
			separator = ","
		}
		var b strings.Builder
		for i := range n {
			if i > 0 {
				b.WriteString(separator)
			}
			b.WriteString(strings.ReplaceAll(m[3], "%d", strconv.Itoa(i)))
		}
		return b.String()
	})
}
