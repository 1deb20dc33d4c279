"""Text on its way into a request: what a language model answered, without its thoughts and without its Markdown."""
