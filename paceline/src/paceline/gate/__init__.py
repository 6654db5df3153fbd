"""The trial: two trees, fresh process pairs, interleaved bursts, exact tests, one verdict per benchmark."""
