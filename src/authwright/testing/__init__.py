"""What helps to test with and against authwright: a frozen clock, and the contract every store passes."""
