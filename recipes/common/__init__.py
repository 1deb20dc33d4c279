"""What recipes share: sentences, a teacher that speaks them, training that is saved and resumed, and a listener."""
