"""What the business is: pure, without input, output or framework."""
