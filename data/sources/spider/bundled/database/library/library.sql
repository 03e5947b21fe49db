CREATE TABLE author (
  author_id INTEGER PRIMARY KEY,
  name TEXT,
  country TEXT,
  born INTEGER
);
CREATE TABLE book (
  book_id INTEGER PRIMARY KEY,
  title TEXT,
  author_id INTEGER,
  year INTEGER,
  pages INTEGER,
  FOREIGN KEY (author_id) REFERENCES author(author_id)
);
CREATE TABLE loan (
  loan_id INTEGER PRIMARY KEY,
  book_id INTEGER,
  reader TEXT,
  days INTEGER,
  FOREIGN KEY (book_id) REFERENCES book(book_id)
);
INSERT INTO author VALUES (1, 'Ada Brook', 'Ireland', 1931), (2, 'Jon Vale', 'Canada', 1958),
  (3, 'Mina Oduya', 'Kenya', 1969), (4, 'Per Lund', 'Norway', 1944), (5, 'Sal Reyes', 'Canada', 1980);
INSERT INTO book VALUES (1, 'The Low Tide', 1, 1962, 210), (2, 'Salt', 1, 1970, 180), (3, 'North of Here', 2, 1991, 402),
  (4, 'A Field Guide', 3, 1999, 320), (5, 'Nine Rivers', 3, 2004, 288), (6, 'The Clockmaker', 4, 1978, 150),
  (7, 'Snow Letters', 4, 1985, 244), (8, 'Harbour Songs', 5, 2011, 190);
INSERT INTO loan VALUES (1, 1, 'Kim', 14), (2, 3, 'Kim', 21), (3, 3, 'Lea', 7), (4, 5, 'Tom', 30), (5, 8, 'Lea', 14),
  (6, 5, 'Kim', 10), (7, 2, 'Uwe', 28), (8, 3, 'Tom', 12);
