"""Commands about vaults and the account."""
