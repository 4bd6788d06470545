"""Files on disk: written whole, read with trust, tables and TOML that people write, the folder of data."""
