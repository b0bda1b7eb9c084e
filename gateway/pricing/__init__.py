"""What tokens cost. Pure: time and the configured providers are arguments."""
