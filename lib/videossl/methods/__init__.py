"""Self-supervised methods: losses, momentum encoder and queue, cross-modal mixing."""
