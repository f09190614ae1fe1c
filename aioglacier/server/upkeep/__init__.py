"""What happens by itself: jobs end, uploads expire, notifications leave."""
