// Package harness runs Roundtable as its users do: the real binary, one
// process for each node, on loopback. It starts, kills, pauses and restarts
// them, puts a network between regions that can be cut and slowed, and shows
// what they logged when a test fails.
//
// Everything that it starts belongs to a test and is gone when the test ends.
// A process that ends without having been told to, or that panics, fails its
// test. The package knows commands, flags, ports and the operations endpoints;
// it speaks no DynamoDB and checks no promise.
//
// A package of tests builds the binary once, with Main:
//
//	func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }
//
// ROUNDTABLE_BINARY names one that was built already. ROUNDTABLE_E2E_DIR names
// a directory where data and logs of the tests stay for a look at them.
package harness
