-- Everything a MariaDB database can hold that a dump must bring back. Read by the mariadb client.
SET NAMES utf8mb4; SET sql_mode = '';
CREATE TABLE `odd ``name`` ünï` (`a ``b`` c` int PRIMARY KEY, `sp ace` varchar(20) COMMENT 'it''s "odd"\n-- Table structure for table `x`');
INSERT INTO `odd ``name`` ünï` VALUES (1, 'é🙂'), (2, NULL), (3, ''), (4, 'NULL'), (5, 'back\\slash''quote');
CREATE TABLE numbers (
  id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, tiny tinyint(1), price decimal(40,10), f float, d double,
  z int(5) unsigned zerofill, bits bit(10), big_bits bit(64), y year, flag boolean NOT NULL DEFAULT 0) AUTO_INCREMENT = 18446744073709551600;
INSERT INTO numbers VALUES
  (18446744073709551601, -128, 123456789012345678901234567890.0123456789, 1.5, 1.2345678901234567e-300, 42, b'1000000001', ~0, 1999, 1),
  (7, NULL, NULL, NULL, -0.0, NULL, NULL, NULL, NULL, 0), (8, 1, 0, 3.14159, 0.1, 0, b'0', 0, 0, 1);
CREATE TABLE times (d date, t time(6), dt datetime(6), ts timestamp(6) NULL, old datetime);
INSERT INTO times VALUES ('0000-00-00', '-838:59:59', '0000-00-00 00:00:00', NULL, '2026-00-15 10:00:00'),
  ('9999-12-31', '12:34:56.123456', '2026-10-25 02:30:00.000001', '2026-10-25 00:30:00.5', '1000-01-01');
CREATE TABLE words (
  id int PRIMARY KEY, l1 varchar(50) CHARACTER SET latin1, u3 varchar(50) CHARACTER SET utf8mb3, b4 varchar(50) CHARACTER SET utf8mb4,
  cs char(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, bin binary(8), vb varbinary(20), raw longblob, txt longtext,
  e enum('x','ý','it''s') DEFAULT 'x', s set('a','b','c d') , j json, u uuid, i6 inet6);
INSERT INTO words VALUES
  (1, 'café', 'žluť', '🙂 emoji', 'Pad  ', 0x00FF, 0x00270A0D5C1A00, 0xFFD8FFE000104A46, 'line\nbreak\ttab\\', 'ý', 'a,b', '{"k": "🙂"}', uuid(), '::1'),
  (2, '', '', '', '', '', '', '', '', '', '', '{}', NULL, '2001:db8::1'), (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (4, 'DELIMITER ;;', '-- Dump completed', '/*!50001 VIEW */', ';', ';;', '\n--\n', '\nUSE `x`;\n', '\nALTER DATABASE `x`\n', 'it''s', 'a', '[]', NULL, NULL);
CREATE TABLE shapes (id int PRIMARY KEY AUTO_INCREMENT, p point NOT NULL, g geometry, SPATIAL INDEX sp (p));
INSERT INTO shapes (p, g) VALUES (POINT(1.5, -2), ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))')), (POINT(0,0), ST_GeomFromText('POINT(3 4)', 4326)), (POINT(9,9), NULL);
CREATE TABLE companies (id int AUTO_INCREMENT PRIMARY KEY, name varchar(100) NOT NULL, note text, UNIQUE KEY by_name (name), FULLTEXT KEY ft (name, note));
INSERT INTO companies (name, note) SELECT concat('company ', seq), repeat('x', seq) FROM seq_1_to_50;
CREATE TABLE contacts (
  id int AUTO_INCREMENT PRIMARY KEY, company_id int, name varchar(50), born date, upper_name varchar(50) AS (upper(name)) VIRTUAL,
  len int AS (length(name)) PERSISTENT, hidden int INVISIBLE DEFAULT 7, at timestamp DEFAULT current_timestamp() ON UPDATE current_timestamp(),
  KEY prefix (name(5) DESC), KEY on_gen (len), CONSTRAINT fk FOREIGN KEY (company_id) REFERENCES companies (id) ON DELETE CASCADE,
  CONSTRAINT sane CHECK (len < 1000));
INSERT INTO contacts (company_id, name, born, hidden) SELECT 1 + seq % 50, md5(seq), '1970-01-01' + INTERVAL seq DAY, seq FROM seq_1_to_2000;
ALTER TABLE contacts ALTER INDEX prefix IGNORED;
CREATE TABLE empty_one (a int);
CREATE TABLE duplicates (a int, b varchar(10));
INSERT INTO duplicates VALUES (1,'x'),(1,'x'),(1,'x'),(NULL,NULL),(NULL,NULL);
CREATE TABLE by_range (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (year(at)) (PARTITION p0 VALUES LESS THAN (2000), PARTITION p1 VALUES LESS THAN MAXVALUE);
INSERT INTO by_range SELECT seq, '1990-01-01' + INTERVAL seq MONTH FROM seq_1_to_200;
CREATE TABLE by_hash (id int PRIMARY KEY, v int) PARTITION BY HASH (id) PARTITIONS 4;
INSERT INTO by_hash SELECT seq, seq * 2 FROM seq_1_to_100;
CREATE TABLE versioned (id int PRIMARY KEY, v varchar(20)) WITH SYSTEM VERSIONING;
INSERT INTO versioned VALUES (1, 'one'), (2, 'two'); UPDATE versioned SET v = 'uno' WHERE id = 1; DELETE FROM versioned WHERE id = 2;
CREATE TABLE versioned_too (id int PRIMARY KEY, v int, s timestamp(6) GENERATED ALWAYS AS ROW START INVISIBLE, e timestamp(6) GENERATED ALWAYS AS ROW END INVISIBLE,
  PERIOD FOR SYSTEM_TIME (s, e)) WITH SYSTEM VERSIONING;
INSERT INTO versioned_too (id, v) VALUES (1, 1); UPDATE versioned_too SET v = 2;
CREATE TABLE versioned_still (id int PRIMARY KEY) WITH SYSTEM VERSIONING; INSERT INTO versioned_still VALUES (1);
CREATE TABLE booking (room int, s date, e date, PERIOD FOR stay (s, e), UNIQUE (room, stay WITHOUT OVERLAPS));
INSERT INTO booking VALUES (1, '2026-01-01', '2026-02-01');
CREATE TABLE isam (id int AUTO_INCREMENT PRIMARY KEY, v text, FULLTEXT KEY (v)) ENGINE = MyISAM; INSERT INTO isam (v) VALUES ('one'), ('two');
CREATE TABLE aria (a int) ENGINE = Aria; INSERT INTO aria VALUES (1);
CREATE TABLE memory (a int) ENGINE = MEMORY; INSERT INTO memory VALUES (1), (2);
CREATE TABLE old_charset (a varchar(10)) CHARSET latin2 ROW_FORMAT = COMPRESSED COMMENT 'öld'; INSERT INTO old_charset VALUES ('čeština');
CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY); INSERT INTO alembic_version VALUES ('abc123');
CREATE SEQUENCE seq START WITH 100 INCREMENT BY 5; SELECT nextval(seq); SELECT setval(seq, 5000);
CREATE SEQUENCE down START WITH -1 INCREMENT BY -1 MINVALUE -1000 MAXVALUE -1 NOCACHE; SELECT nextval(down), nextval(down);
CREATE TABLE uses_seq (id bigint DEFAULT nextval(seq) PRIMARY KEY, a int); INSERT INTO uses_seq (a) VALUES (1), (2);
CREATE USER IF NOT EXISTS ghost@'%' , worker@localhost; GRANT ALL ON *.* TO ghost@'%'; GRANT ALL ON *.* TO worker@localhost;
CREATE VIEW z_first AS SELECT id, name FROM companies;
CREATE VIEW a_second AS SELECT count(*) AS n FROM z_first JOIN contacts ON contacts.company_id = z_first.id;
CREATE DEFINER = ghost@'%' SQL SECURITY DEFINER VIEW haunted AS SELECT id FROM companies WHERE name <> 'ghost''s `every`.';
CREATE DEFINER = worker@localhost SQL SECURITY INVOKER VIEW checked AS SELECT * FROM companies WHERE id < 10 WITH CASCADED CHECK OPTION;
DELIMITER ;;
CREATE DEFINER = ghost@'%' PROCEDURE hostile(IN a int, OUT b text CHARACTER SET utf8mb4) SQL SECURITY INVOKER COMMENT 'it''s; hostile'
BEGIN -- a comment; with DELIMITER $$
  DECLARE x text DEFAULT ';; DELIMITER // 🙂'; /* ;
  USE `nothing`; */
  IF a > 0 THEN SET b = concat(x, "\";'"); ELSE SELECT ';' INTO b; END IF;
END;;
CREATE FUNCTION twice(n int) RETURNS int DETERMINISTIC RETURN n * 2;;
CREATE AGGREGATE FUNCTION last_of(x int) RETURNS int BEGIN DECLARE m int; DECLARE CONTINUE HANDLER FOR NOT FOUND RETURN m; LOOP FETCH GROUP NEXT ROW; SET m = x; END LOOP; END;;
CREATE TRIGGER before_contact BEFORE INSERT ON contacts FOR EACH ROW BEGIN SET NEW.name = coalesce(NEW.name, ';'); END;;
CREATE DEFINER = worker@localhost TRIGGER second_one BEFORE INSERT ON contacts FOR EACH ROW FOLLOWS before_contact SET NEW.hidden = NEW.hidden + 0;;
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 02:00:00' COMMENT 'ünï' DO BEGIN DELETE FROM empty_one WHERE a < 0; END;;
CREATE DEFINER = ghost@'%' EVENT off_one ON SCHEDULE AT '2037-01-01 00:00:00' ON COMPLETION PRESERVE DISABLE DO SELECT 1;;
DELIMITER ;
SET sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT'; CREATE FUNCTION joined(a text, b text) RETURNS text DETERMINISTIC RETURN a || "b";
SET NAMES latin1; SET sql_mode = ''; CREATE VIEW latin_view AS SELECT 'x' AS x;
SET NAMES utf8mb4; DROP USER ghost@'%';
