-- The article's statements in Flink's SQL. KSQL's DELIMITED format becomes the views creditcardfraud_text, which
-- tells malformed records by the format's grammar, and creditcardfraud_source, which gives the columns their types.
-- Flink's own format csv would read NaN and 1d as numbers, and drop malformed records without a reason.
--
-- Two things are for speed. (?>..) keeps Java's regular expressions from trying what cannot match, in exponential time.
-- UNNEST of one row makes Flink compute that row once, and not for each column and each topic that is made from it.

CREATE TABLE creditcardfraud_topic (
  record BYTES, `offset` BIGINT NOT NULL METADATA VIRTUAL
) WITH (
  'connector' = 'kafka', 'topic' = 'creditcardfraud_source', 'properties.bootstrap.servers' = '$servers',
  'format' = 'raw',
  'scan.startup.mode' = 'specific-offsets', 'scan.startup.specific-offsets' = 'partition:0,offset:0',
  'scan.bounded.mode' = 'specific-offsets', 'scan.bounded.specific-offsets' = 'partition:0,offset:$records'
);

CREATE VIEW creditcardfraud_line AS
SELECT `offset`, record, line
FROM creditcardfraud_topic CROSS JOIN UNNEST(ARRAY[DECODE(record, 'UTF-8')]) AS decoded (line);

CREATE VIEW creditcardfraud_text AS
SELECT `offset`, record, is_regular, field
FROM creditcardfraud_line CROSS JOIN UNNEST(ARRAY[ROW(
  REGEXP(line, '\A(?>[+-]?0*[0-9]{1,18}),[^,\x00-\x1f]*,[^,\x00-\x1f]*,(?>[+-]?0*[0-9]{1,18}),'
    || '(?:(?>(?:[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)?),){28}'
    || '(?>[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?),(?>(?:[+-]?0*[0-9]{1,18})?)\z'),
  SPLIT(line, ',')
)]) AS split (is_regular, field);

CREATE VIEW creditcardfraud_source AS
SELECT `offset`, record, field, is_regular,
  TRY_CAST(field[1] AS BIGINT) AS Id, field[2] AS `Timestamp`, field[3] AS `User`,
  TRY_CAST(field[4] AS BIGINT) AS `Time`, TRY_CAST(field[5] AS DOUBLE) AS V1, TRY_CAST(field[6] AS DOUBLE) AS V2,
  TRY_CAST(field[7] AS DOUBLE) AS V3, TRY_CAST(field[8] AS DOUBLE) AS V4, TRY_CAST(field[9] AS DOUBLE) AS V5,
  TRY_CAST(field[10] AS DOUBLE) AS V6, TRY_CAST(field[11] AS DOUBLE) AS V7, TRY_CAST(field[12] AS DOUBLE) AS V8,
  TRY_CAST(field[13] AS DOUBLE) AS V9, TRY_CAST(field[14] AS DOUBLE) AS V10, TRY_CAST(field[15] AS DOUBLE) AS V11,
  TRY_CAST(field[16] AS DOUBLE) AS V12, TRY_CAST(field[17] AS DOUBLE) AS V13, TRY_CAST(field[18] AS DOUBLE) AS V14,
  TRY_CAST(field[19] AS DOUBLE) AS V15, TRY_CAST(field[20] AS DOUBLE) AS V16, TRY_CAST(field[21] AS DOUBLE) AS V17,
  TRY_CAST(field[22] AS DOUBLE) AS V18, TRY_CAST(field[23] AS DOUBLE) AS V19, TRY_CAST(field[24] AS DOUBLE) AS V20,
  TRY_CAST(field[25] AS DOUBLE) AS V21, TRY_CAST(field[26] AS DOUBLE) AS V22, TRY_CAST(field[27] AS DOUBLE) AS V23,
  TRY_CAST(field[28] AS DOUBLE) AS V24, TRY_CAST(field[29] AS DOUBLE) AS V25, TRY_CAST(field[30] AS DOUBLE) AS V26,
  TRY_CAST(field[31] AS DOUBLE) AS V27, TRY_CAST(field[32] AS DOUBLE) AS V28,
  TRY_CAST(field[33] AS DOUBLE) AS Amount, TRY_CAST(field[34] AS BIGINT) AS Class
FROM creditcardfraud_text;

CREATE VIEW creditcardfraud_checked AS
SELECT *, is_regular AND GREATEST(
  ABS(IFNULL(V1, 0)), ABS(IFNULL(V2, 0)), ABS(IFNULL(V3, 0)), ABS(IFNULL(V4, 0)), ABS(IFNULL(V5, 0)),
  ABS(IFNULL(V6, 0)), ABS(IFNULL(V7, 0)), ABS(IFNULL(V8, 0)), ABS(IFNULL(V9, 0)), ABS(IFNULL(V10, 0)),
  ABS(IFNULL(V11, 0)), ABS(IFNULL(V12, 0)), ABS(IFNULL(V13, 0)), ABS(IFNULL(V14, 0)), ABS(IFNULL(V15, 0)),
  ABS(IFNULL(V16, 0)), ABS(IFNULL(V17, 0)), ABS(IFNULL(V18, 0)), ABS(IFNULL(V19, 0)), ABS(IFNULL(V20, 0)),
  ABS(IFNULL(V21, 0)), ABS(IFNULL(V22, 0)), ABS(IFNULL(V23, 0)), ABS(IFNULL(V24, 0)), ABS(IFNULL(V25, 0)),
  ABS(IFNULL(V26, 0)), ABS(IFNULL(V27, 0)), ABS(IFNULL(V28, 0)), ABS(Amount)
) <= 1.7976931348623157E308 AS is_payment
FROM creditcardfraud_source;

CREATE VIEW creditcardfraud_preprocessed AS
SELECT `offset`, Id, `Time`,
  IFNULL(V1, 0) AS V1, IFNULL(V2, 0) AS V2, IFNULL(V3, 0) AS V3, IFNULL(V4, 0) AS V4, IFNULL(V5, 0) AS V5,
  IFNULL(V6, 0) AS V6, IFNULL(V7, 0) AS V7, IFNULL(V8, 0) AS V8, IFNULL(V9, 0) AS V9, IFNULL(V10, 0) AS V10,
  IFNULL(V11, 0) AS V11, IFNULL(V12, 0) AS V12, IFNULL(V13, 0) AS V13, IFNULL(V14, 0) AS V14,
  IFNULL(V15, 0) AS V15, IFNULL(V16, 0) AS V16, IFNULL(V17, 0) AS V17, IFNULL(V18, 0) AS V18,
  IFNULL(V19, 0) AS V19, IFNULL(V20, 0) AS V20, IFNULL(V21, 0) AS V21, IFNULL(V22, 0) AS V22,
  IFNULL(V23, 0) AS V23, IFNULL(V24, 0) AS V24, IFNULL(V25, 0) AS V25, IFNULL(V26, 0) AS V26,
  IFNULL(V27, 0) AS V27, IFNULL(V28, 0) AS V28, Amount, Class
FROM creditcardfraud_checked WHERE is_payment AND Class IS NOT NULL;

CREATE VIEW creditcardfraud_scored AS
SELECT `offset`, Id, score(
  V1, V2, V3, V4, V5, V6, V7, V8, V9, V10, V11, V12, V13, V14, V15, V16, V17, V18, V19, V20, V21, V22, V23, V24,
  V25, V26, V27, V28, Amount
) AS score
FROM creditcardfraud_preprocessed;

CREATE TABLE fraud_alerts (
  payment STRING, alert BYTES
) WITH (
  'connector' = 'kafka', 'topic' = 'fraud_alerts', 'properties.bootstrap.servers' = '$servers',
  'key.format' = 'raw', 'key.fields' = 'payment', 'value.format' = 'raw', 'value.fields-include' = 'EXCEPT_KEY'
);

CREATE TABLE fraud_rejected (
  payment STRING, record BYTES, headers MAP<STRING, BYTES> METADATA
) WITH (
  'connector' = 'kafka', 'topic' = 'fraud_rejected', 'properties.bootstrap.servers' = '$servers',
  'key.format' = 'raw', 'key.fields' = 'payment', 'value.format' = 'raw', 'value.fields-include' = 'EXCEPT_KEY'
);

EXECUTE STATEMENT SET BEGIN
INSERT INTO fraud_alerts
SELECT CAST(`offset` AS STRING), avro(Id, score) FROM creditcardfraud_scored WHERE score > $threshold;
INSERT INTO fraud_rejected
SELECT CAST(`offset` AS STRING), record,
  MAP['reason', ENCODE(IF(CARDINALITY(field) = 34, 'text in a number', 'wrong number of fields'), 'UTF-8')]
FROM creditcardfraud_checked WHERE is_payment IS NOT TRUE;
END;
