"""The tables of the configuration: what each key means, and which values go together."""
