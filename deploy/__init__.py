"""Running the product: on one machine, in a cluster; loading towns; checking."""
