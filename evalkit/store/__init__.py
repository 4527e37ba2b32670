"""What is kept between runs: the catalog and the rows."""
