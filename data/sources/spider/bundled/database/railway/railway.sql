CREATE TABLE station (
  code TEXT PRIMARY KEY,
  city TEXT,
  platforms INTEGER,
  opened INTEGER
);
CREATE TABLE train (
  number INTEGER PRIMARY KEY,
  name TEXT,
  origin TEXT,
  destination TEXT,
  minutes INTEGER,
  FOREIGN KEY (origin) REFERENCES station(code),
  FOREIGN KEY (destination) REFERENCES station(code)
);
CREATE TABLE delay (
  number INTEGER,
  day TEXT,
  minutes INTEGER,
  FOREIGN KEY (number) REFERENCES train(number)
);
INSERT INTO station VALUES ('ALD', 'Alder', 6, 1889), ('BRK', 'Brook', 2, 1904), ('CRN', 'Cairn', 12, 1871),
  ('DUN', 'Dunmore', 4, 1950), ('ELM', 'Elmsby', 2, 1934);
INSERT INTO train VALUES (11, 'Heron', 'ALD', 'CRN', 95), (12, 'Heron', 'CRN', 'ALD', 98), (21, 'Plover', 'BRK', 'CRN', 40),
  (31, 'Curlew', 'DUN', 'ALD', 120), (41, 'Snipe', 'CRN', 'ELM', 33);
INSERT INTO delay VALUES (11, '2021-03-01', 5), (11, '2021-03-02', 0), (12, '2021-03-01', 17), (21, '2021-03-01', 3),
  (31, '2021-03-02', 44), (31, '2021-03-03', 12), (41, '2021-03-03', 0);
