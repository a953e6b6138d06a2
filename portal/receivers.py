"""Write down what happens to accounts."""
