-- The same tables with other rows: a query that is right by chance on the first is found out here.
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
INSERT INTO author VALUES (1, 'Bo Lee', 'Canada', 1969), (2, 'Eva Stone', 'Canada', 1940), (3, 'Ivo Pratt', 'Chile', 1969),
  (7, 'Ona Frey', 'Chile', 1901);
INSERT INTO book VALUES (1, 'Salt', 2, 1962, 300), (2, 'Salt', 3, 2004, 300), (3, 'Winter', 2, 1962, 90),
  (4, 'Maps', 1, 1999, 500), (9, 'Dust', 3, 1970, 288);
INSERT INTO loan VALUES (1, 1, 'Kim', 5), (2, 2, 'Kim', 5), (3, 9, 'Ann', 60), (4, 1, 'Ann', 14), (5, 1, 'Lea', 14);
