from tests.bench.gateways.comparison import main

main()
