-- The sites' data at the beginning of every episode.
create table accounts(site text, name text, password text, primary key (site, name));
insert into accounts values
  ('shop', 'emma.lopez@gmail.com', 'Password.123'), ('admin', 'admin', 'admin1234'),
  ('forum', 'MarvelsGrantMan136', 'test1234'), ('code', 'byteblaze', 'hello1234');

create table products(id integer primary key, sku text, slug text unique, name text, category text, price real, qty integer, enabled integer, description text);
insert into products values
  (1, 'LG-1001', 'brass-ship-bell', 'Brass Ship Bell', 'Home', 48.5, 12, 1, 'A polished bell with a braided cord, 12 cm wide.'),
  (2, 'LG-1002', 'storm-lantern', 'Storm Lantern', 'Lighting', 32, 30, 1, 'Burns for 20 hours on one filling. Wind-proof glass.'),
  (3, 'LG-1003', 'wool-blanket-grey', 'Wool Blanket, Grey', 'Home', 75.25, 8, 1, 'Made of pure new wool, 140 by 200 cm.'),
  (4, 'LG-1004', 'enamel-mug', 'Enamel Mug', 'Kitchen', 9.9, 200, 1, 'Holds 350 ml. Chip-resistant rim.'),
  (5, 'LG-1005', 'oak-cutting-board', 'Oak Cutting Board', 'Kitchen', 27.4, 40, 1, 'Oiled oak, 30 by 45 cm, with a juice groove.'),
  (6, 'LG-1006', 'rope-doormat', 'Rope Doormat', 'Home', 39, 0, 1, 'Hand-woven from recycled rope.'),
  (7, 'LG-1007', 'led-head-torch', 'LED Head Torch', 'Lighting', 18.75, 55, 1, 'Three brightness levels. Two AA batteries, not included.'),
  (8, 'LG-1008', 'cast-iron-kettle', 'Cast Iron Kettle', 'Kitchen', 64, 15, 1, 'Holds 1.2 litres. Works on every stove.'),
  (9, 'LG-1009', 'tide-clock', 'Tide Clock', 'Home', 58, 6, 1, 'Shows the hours until high and low tide.'),
  (10, 'LG-1010', 'solar-path-light', 'Solar Path Light', 'Lighting', 14.2, 90, 1, 'Charges by day and glows for eight hours at night.'),
  (11, 'LG-1011', 'sea-salt-jar', 'Sea Salt Jar', 'Kitchen', 6.5, 120, 0, 'Stoneware jar with a cork lid.');

create table reviews(id integer primary key, product_id integer, nickname text, percent integer, title text, detail text, created text);
insert into reviews(product_id, nickname, percent, title, detail, created) values
  (2, 'Ingrid', 100, 'Bright and sturdy', 'It survived a gale on our balcony.', '2023-02-11'),
  (2, 'Tomasz', 40, 'Leaks', 'The tank drips when it is full.', '2023-03-02'),
  (2, 'Abena', 80, 'Cosy light', 'Warm light, but the glass gets hot.', '2023-04-19'),
  (4, 'Lars', 100, 'My daily mug', 'Dropped twice, no chip.', '2023-01-07'),
  (8, 'Mei', 60, 'Heavy', 'Good tea, but too heavy for my mother.', '2023-05-21'),
  (8, 'Pavel', 20, 'Rusted', 'It rusted after one week.', '2023-05-30');

create table customers(id integer primary key, name text, email text, phone text, address text);
insert into customers values
  (1, 'Emma Lopez', 'emma.lopez@gmail.com', '6505551212', '6146 Honey Bluff Parkway, Calder, Michigan'),
  (2, 'Jonas Berg', 'jonas.berg@example.com', '5550143', '4 Quay Street, Bergen'),
  (3, 'Amina Diallo', 'amina.diallo@example.com', '5550177', '12 Rue des Acacias, Dakar');

create table orders(id integer primary key, customer_id integer, status text, created text, total real);
create table order_lines(order_id integer, product_id integer, qty integer, price real);
create table order_notes(id integer primary key, order_id integer, text text, created text);
insert into orders values
  (101, 1, 'Complete', '2022-11-03', 97.5), (102, 2, 'Complete', '2022-12-14', 75.25), (103, 3, 'Canceled', '2023-01-20', 64),
  (104, 1, 'Complete', '2023-02-27', 49.5), (105, 2, 'Pending', '2023-05-02', 118.8), (106, 1, 'Pending', '2023-06-01', 58);
insert into order_lines values
  (101, 2, 2, 32), (101, 10, 1, 14.2), (101, 7, 1, 18.75), (102, 3, 1, 75.25), (103, 8, 1, 64), (104, 4, 5, 9.9), (105, 4, 12, 9.9), (106, 9, 1, 58);
insert into order_notes(order_id, text, created) values (104, 'Shipped with Nordpost.', '2023-02-28');

create table cart(product_id integer primary key, qty integer);
create table wishes(customer_id integer, product_id integer, primary key (customer_id, product_id));

create table profiles(name text primary key, shown text, biography text, status text);
insert into profiles values
  ('MarvelsGrantMan136', 'Grant Marvel', 'Sailor at weekends.', ''), ('byteblaze', 'Byte Blaze', '', 'Away'),
  ('gullwatcher', 'Gull Watcher', 'I count birds.', ''), ('knotty', 'Knotty', 'Ropes and more ropes.', ''),
  ('primer', 'Primer', '', ''), ('koush', 'Koush', '', ''), ('abisubramanya27', 'Abishek', '', '');

create table forums(name text primary key, description text);
insert into forums values
  ('books', 'What we read.'), ('bookshelf', 'Pictures of shelves.'), ('sailing', 'Boats, winds and harbours.'), ('birds', 'Sea birds and others.');
create table posts(id integer primary key, forum text, author text, title text, body text, created text, votes integer);
insert into posts values
  (11, 'books', 'knotty', 'The best book about knots', 'The Ashley Book of Knots shows 3854 of them. What do you use?', '2023-03-04', 57),
  (12, 'books', 'gullwatcher', 'Novels set on an island', 'I look for novels that never leave their island.', '2023-05-08', 31),
  (13, 'sailing', 'MarvelsGrantMan136', 'Anchoring in mud', 'Which anchor holds best in soft mud?', '2023-04-01', 12),
  (14, 'sailing', 'knotty', 'My bowline slipped', 'A bowline in slippery line came loose last night.', '2023-06-02', 44),
  (15, 'birds', 'gullwatcher', 'First puffin of the year', 'Seen on the north cliff at six in the morning.', '2023-04-12', 88),
  (16, 'bookshelf', 'primer', 'Shelves made of driftwood', 'It took me two winters.', '2023-02-20', 23);
create table comments(id integer primary key, post_id integer, author text, body text);
insert into comments(post_id, author, body) values
  (11, 'gullwatcher', 'I use the same book and never needed another.'), (11, 'primer', 'The drawings are wonderful.'),
  (13, 'knotty', 'A plough anchor drags in mud. Take a Danforth.'), (15, 'knotty', 'Lucky you!');
create table votes(user text, post_id integer, choice integer, primary key (user, post_id));
create table subscriptions(user text, forum text, primary key (user, forum));

create table articles(title text primary key, text text);
insert into articles values
  ('Lighthouse', 'Purpose
A lighthouse is a tower with a bright light that guides ships at night.

History
The tower of Alexandria stood for some 1,500 years. Later towers burned coal, then oil.

Lens
Augustin Fresnel built his first lens for a lighthouse in 1822. It is on show in the tower of Cordouan.

Keepers
Keepers lived in the tower. The last keeper of Cordouan left in 2012, when the light became automatic.'),
  ('Puffin', 'Description
The Atlantic puffin has a bright bill in summer and weighs about 400 grams.

Breeding
A pair raises one chick a year in a burrow.'),
  ('Danforth anchor', 'Design
The anchor has two flat flukes and folds up. It was invented by Richard Danforth in 1940.'),
  ('Bowline', 'Use
The bowline makes a loop that does not slip. It can shake loose in slippery line.'),
  ('Fresnel lens', 'Principle
A Fresnel lens bends light with rings of glass and is much thinner than a full lens.');

create table projects(id integer primary key, path text unique, description text, stars integer, starred integer);
insert into projects values
  (1, 'byteblaze/tidewatch', 'Predicts tides from harmonic constants.', 41, 0),
  (2, 'byteblaze/dotfiles', 'Settings of my editor and shell.', 3, 0),
  (3, 'primer/design', 'A design system in plain CSS.', 327, 0),
  (4, 'koush/beacon', 'Finds devices in a local network.', 118, 1);
create table issues(id integer primary key, project_id integer, iid integer, title text, body text, state text default 'open', author text, assignee text default '', label text default '', due text default '');
insert into issues(project_id, iid, title, body, state, author, assignee, label, due) values
  (1, 1, 'Wrong tide after midnight', 'The table repeats the last tide of the day before.', 'open', 'koush', 'byteblaze', 'bug', ''),
  (1, 2, 'Export as calendar', 'Please add an iCalendar file.', 'open', 'primer', '', 'feature', '2023-07-31'),
  (1, 3, 'Crash without a network', 'It raises OSError at the start.', 'closed', 'koush', 'byteblaze', 'bug', ''),
  (3, 1, 'Buttons overlap in narrow windows', 'Below 320 pixels.', 'open', 'byteblaze', 'primer', 'bug', ''),
  (4, 1, 'IPv6 is missing', 'Only IPv4 devices are found.', 'open', 'byteblaze', 'koush', 'feature', '');
create table notes(id integer primary key, issue_id integer, author text, text text);
insert into notes(issue_id, author, text) values (1, 'koush', 'It happens in every time zone.');
create table members(project_id integer, account text, role text, primary key (project_id, account));
insert into members values (1, 'byteblaze', 'Owner'), (1, 'koush', 'Developer'), (2, 'byteblaze', 'Owner'), (3, 'primer', 'Owner'), (4, 'koush', 'Owner');
create table milestones(id integer primary key, project_id integer, title text, start text, due text);
insert into milestones(project_id, title, start, due) values (1, 'Version 1.0', '2023-05-01', '2023-06-30');
create table commits(id integer primary key, project_id integer, title text, author text, created text);
insert into commits(project_id, title, author, created) values
  (1, 'Read constants from a file', 'byteblaze', '2023-04-02'), (1, 'Tests for spring tides', 'koush', '2023-04-11'),
  (1, 'Faster table', 'koush', '2023-04-30'), (1, 'Docs', 'byteblaze', '2023-05-09'), (4, 'First version', 'koush', '2023-01-15');
