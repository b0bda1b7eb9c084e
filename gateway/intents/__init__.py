"""What an agent was sent out to do, as signed tokens: read, narrowed, and asked whether a call fits."""
