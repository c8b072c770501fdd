package httpserve_test

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/roundtabledb/roundtable/region/httpserve"
)

// start serves a handler on a port of this machine.
func start(t *testing.T, h http.HandlerFunc) (*httpserve.Server, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := httpserve.New(settings(h))
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.Serve(l) })
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		serving.Wait()
	})
	return s, l.Addr().String()
}

// TestSDK checks that the requests of the AWS SDK are plain.
func TestSDK(t *testing.T) {
	var mu sync.Mutex
	kinds := map[string]int{}
	_, address := start(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		kinds[fmt.Sprintf("%T", w)]++
		mu.Unlock()
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		_, _ = io.WriteString(w, "{}")
	})
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	c := dynamodb.New(dynamodb.Options{
		Region: "eu-1", BaseEndpoint: aws.String("http://" + address), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", strings.Repeat("token", 200)),
		HTTPClient:  &http.Client{Transport: transport},
	})
	for range 10 {
		if _, err := c.ListTables(t.Context(), &dynamodb.ListTablesInput{}); err != nil {
			t.Fatal(err)
		}
	}
	if kinds["*httpserve.response"] != 10 || len(kinds) != 1 {
		t.Errorf("served as %v", kinds)
	}
}

// TestLarge sends the largest bodies there are there and back, with and without
// a declared length, read and written in portions of many sizes.
func TestLarge(t *testing.T) {
	body := make([]byte, 16<<20)
	_, _ = rand.Read(body)
	_, address := start(t, func(w http.ResponseWriter, r *http.Request) {
		if n := r.Header.Get("Declare"); n != "" {
			w.Header().Set("Content-Length", n)
		}
		portion, err := strconv.Atoi(r.Header.Get("Portion"))
		if err != nil {
			t.Error(err)
		}
		// The body is read before the answer is begun: net/http, too, gives no
		// more of it after that.
		got, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		for len(got) > 0 {
			n, err := w.Write(got[:min(portion, len(got))])
			if err != nil {
				t.Error(err)
				return
			}
			got = got[n:]
		}
	})
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	c := &http.Client{Transport: transport}
	for _, size := range []int{0, 1, 5000, 16 << 10, 70 << 10, 16 << 20} {
		for _, portion := range []int{100, 16<<10 - 100, 16 << 10, 16<<10 + 1, 1 << 20, 16 << 20} {
			for _, declared := range []bool{true, false} {
				if size/portion > 1000 {
					continue
				}
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/", bytes.NewReader(body[:size]))
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Portion", strconv.Itoa(portion))
				if declared {
					r.Header.Set("Declare", strconv.Itoa(size))
				}
				answer, err := c.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(answer.Body)
				_ = answer.Body.Close()
				if err != nil || !bytes.Equal(got, body[:size]) || answer.ContentLength != int64(size) {
					t.Errorf("%d bytes in portions of %d, declared %v: got %d of %d, %v", size, portion, declared, len(got), answer.ContentLength, err)
				}
			}
		}
	}
}

// TestManyClients lets many clients send plain and other requests at once, some
// of them pipelined, while the server shuts down under them: whoever gets an
// answer gets his own.
func TestManyClients(t *testing.T) {
	s, address := start(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s", r.Method, r.Header.Get("X-Name"), body)
	})
	halfway := make(chan struct{}, 8)
	var clients sync.WaitGroup
	for i := range 8 {
		clients.Go(func() {
			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			c := &http.Client{Transport: transport}
			for j := 0; ; j++ {
				if j == 100 {
					halfway <- struct{}{}
				}
				method := http.MethodPost
				if j%10 == i {
					method = http.MethodPut
				}
				name, body := fmt.Sprintf("%d-%d", i, j), strings.Repeat("x", 100*(j%97))
				r, err := http.NewRequest(method, "http://"+address+"/", strings.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				r.Header.Set("X-Name", name)
				answer, err := c.Do(r)
				if err != nil {
					if j < 100 {
						t.Error(err)
					}
					return
				}
				got, err := io.ReadAll(answer.Body)
				_ = answer.Body.Close()
				if want := method + " " + name + " " + body; err != nil || string(got) != want {
					t.Errorf("got %q, want %q; %v", got, want, err)
				}
			}
		})
	}
	for range 8 {
		<-halfway
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	clients.Wait()
}

// TestTLS: a connection under TLS is net/http's, HTTP/2 included.
func TestTLS(t *testing.T) {
	plain := httptest.NewUnstartedServer(http.HandlerFunc(who))
	plain.EnableHTTP2 = true
	plain.StartTLS() // for its certificate and its client
	defer plain.Close()
	for _, want := range []string{"HTTP/1.1", "HTTP/2.0"} {
		options := settings(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprintf(w, "%s %v", r.Proto, r.TLS != nil)
		}))
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := httpserve.New(options)
		config := plain.TLS.Clone()
		var serving sync.WaitGroup
		serving.Go(func() { _ = s.Serve(tls.NewListener(l, config)) })
		client := *plain.Client()
		transport := client.Transport.(*http.Transport).Clone()
		transport.ForceAttemptHTTP2 = want == "HTTP/2.0"
		if want == "HTTP/1.1" {
			transport.TLSClientConfig.NextProtos = []string{"http/1.1"}
		}
		client.Transport = transport
		r, err := client.Post("https://"+l.Addr().String()+"/", "text/plain", strings.NewReader("a"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r.Body)
		_ = r.Body.Close()
		if string(got) != want+" true" {
			t.Errorf("answered %s, %v; want %s", got, err, want)
		}
		transport.CloseIdleConnections()
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		serving.Wait()
	}
}

// TestAcceptErrors: errors that pass are waited for, others end Serve.
func TestAcceptErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		l := &faulty{listener: newListener(), errs: []error{passing{}, passing{}, passing{}, broken}}
		options := settings(http.HandlerFunc(who))
		options.ErrorLog = quiet
		s := httpserve.New(options)
		start := time.Now()
		if err := s.Serve(l); err != broken || time.Since(start) != 35*time.Millisecond {
			t.Errorf("ended with %v after %v", err, time.Since(start))
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

type passing struct{}

func (passing) Error() string   { return "too many open files" }
func (passing) Temporary() bool { return true }

// faulty is a listener whose Accept fails.
type faulty struct {
	*listener
	errs []error
}

func (l *faulty) Accept() (net.Conn, error) {
	err := l.errs[0]
	l.errs = l.errs[1:]
	return nil, err
}
