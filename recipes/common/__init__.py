"""Code that recipes share: sentences, the teacher that speaks them, resumable training, and word error rates."""
