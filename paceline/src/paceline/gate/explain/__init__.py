"""Why a benchmark became slower or faster: functions whose time differs, with a known error rate."""
