"""Files: those that are archived, how they are read; those that are kept between runs, where and for whom."""
