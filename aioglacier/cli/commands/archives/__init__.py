"""Commands about archives, uploads and jobs."""
