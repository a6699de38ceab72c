BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0006');
CREATE TABLE ops_activities (
	id VARCHAR(40) NOT NULL, 
	source VARCHAR(63) NOT NULL, 
	kind VARCHAR(32) NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	started_at DATETIME NOT NULL, 
	finished_at DATETIME, 
	duration_s FLOAT, 
	backup_id VARCHAR(40), 
	store VARCHAR(63), 
	host VARCHAR(255) NOT NULL, 
	holder VARCHAR(255) NOT NULL, 
	run_id VARCHAR(64), 
	error TEXT, 
	meta JSON NOT NULL, turn BIGINT DEFAULT '0' NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "ops_activities" VALUES('20261130T012620Z-b6d73adf79686cad','crm','dump','succeeded','2026-11-30 01:26:20.505184','2026-11-30 01:26:20.550686',0.045502,'20261121T020000Z-0a1b2c3d','local','vm','6aee5a66-cf18-49cf-b1a3-42353a2b04ae:22970:162025','run-1',NULL,'{"size_bytes": 1234, "plain_bytes": 5678, "rows": 100, "manifest_sha256": "abababababababababababababababababababababababababababababababab"}',1);
INSERT INTO "ops_activities" VALUES('20261130T012620Z-67adf9b022ed9610','crm','copy','running','2026-11-30 01:26:20.560181',NULL,NULL,'20261121T020000Z-0a1b2c3d','nas','vm','6aee5a66-cf18-49cf-b1a3-42353a2b04ae:22970:162025',NULL,NULL,'{"size_bytes": 1234}',2);
INSERT INTO "ops_activities" VALUES('20261130T012620Z-9831aaa090709b9d','crm','verify','succeeded','2026-11-30 01:26:20.569109','2026-11-30 01:26:20.573990',0.004881,'20261121T020000Z-0a1b2c3d','nas','vm','6aee5a66-cf18-49cf-b1a3-42353a2b04ae:22970:162025',NULL,NULL,'{"outcome": "verified"}',3);
INSERT INTO "ops_activities" VALUES('20261130T012620Z-4175b403e6c39b97','crm','dump','failed','2026-11-30 01:26:20.578252','2026-11-30 01:26:20.583193',0.004941,NULL,NULL,'vm','6aee5a66-cf18-49cf-b1a3-42353a2b04ae:22970:162025',NULL,'no room','{}',4);
INSERT INTO "ops_activities" VALUES('20261130T012620Z-468d4ecd1966f27a','crm','dump','failed','2026-11-30 01:26:20.587409','2026-11-30 01:26:20.589858',0.002449,NULL,NULL,'vm','6aee5a66-cf18-49cf-b1a3-42353a2b04ae:22970:162025',NULL,'it was cancelled','{"cancelled": true}',5);
INSERT INTO "ops_activities" VALUES('20261130T012620Z-1a6692fb97d28b20','shop','verify','failed','2026-11-30 01:26:20.597985','2026-11-30 01:26:20.602793',0.004808,'20261121T020000Z-0a1b2c3d','nas','vm','6aee5a66-cf18-49cf-b1a3-42353a2b04ae:22970:162025',NULL,'bad: rows','{"outcome": "bad"}',6);
CREATE TABLE ops_evaluations (
	part VARCHAR(32) NOT NULL, 
	at DATETIME NOT NULL, 
	PRIMARY KEY (part)
);
INSERT INTO "ops_evaluations" VALUES('attempts','1970-01-01 00:00:00.000000');
INSERT INTO "ops_evaluations" VALUES('standing','1970-01-01 00:00:00.000000');
INSERT INTO "ops_evaluations" VALUES('probes','1970-01-01 00:00:00.000000');
CREATE TABLE ops_health (
	source VARCHAR(63) NOT NULL, 
	at DATETIME NOT NULL, 
	watched_at DATETIME, 
	document TEXT NOT NULL, 
	PRIMARY KEY (source)
);
CREATE TABLE ops_incidents (
	id VARCHAR(40) NOT NULL, 
	"key" VARCHAR(255) NOT NULL, 
	open_key VARCHAR(255), 
	rule VARCHAR(63) NOT NULL, 
	source VARCHAR(63) NOT NULL, 
	store VARCHAR(63) NOT NULL, 
	severity VARCHAR(16) NOT NULL, 
	condition JSON NOT NULL, 
	opened_at DATETIME NOT NULL, 
	resolved_at DATETIME, 
	told_at DATETIME, 
	told_severity VARCHAR(16), 
	acked_at DATETIME, 
	acked_by VARCHAR(255), 
	PRIMARY KEY (id), 
	UNIQUE (open_key)
);
CREATE TABLE ops_mutes (
	id VARCHAR(40) NOT NULL, 
	source VARCHAR(63), 
	rule VARCHAR(63), 
	created_at DATETIME NOT NULL, 
	ends_at DATETIME NOT NULL, 
	created_by VARCHAR(255) NOT NULL, 
	reason TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE ops_numbers (
	source VARCHAR(63) NOT NULL, 
	series VARCHAR(16) NOT NULL, 
	last BIGINT NOT NULL, 
	PRIMARY KEY (source, series)
);
CREATE TABLE ops_outbox (
	id INTEGER NOT NULL, 
	incident_id VARCHAR(40) NOT NULL, 
	"key" VARCHAR(255) NOT NULL, 
	event VARCHAR(16) NOT NULL, 
	severity VARCHAR(16) NOT NULL, 
	created_at DATETIME NOT NULL, 
	message JSON NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	accepted JSON NOT NULL, 
	attempts INTEGER NOT NULL, 
	next_try_at DATETIME NOT NULL, 
	delivered_at DATETIME, 
	holder VARCHAR(255), 
	holder_host VARCHAR(255), 
	held_until DATETIME, 
	error TEXT, 
	PRIMARY KEY (id), 
	FOREIGN KEY(incident_id) REFERENCES ops_incidents (id)
);
CREATE TABLE ops_probes (
	target VARCHAR(63) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	at DATETIME NOT NULL, 
	document TEXT NOT NULL, 
	PRIMARY KEY (target)
);
CREATE TABLE ops_tallies (
	period VARCHAR(10) NOT NULL, 
	source VARCHAR(63) NOT NULL, 
	kind VARCHAR(32) NOT NULL, 
	outcome VARCHAR(16) NOT NULL, 
	attempts INTEGER NOT NULL, 
	seconds FLOAT NOT NULL, 
	PRIMARY KEY (period, source, kind, outcome)
);
INSERT INTO "ops_tallies" VALUES('2026-11-30','crm','dump','succeeded',1,0.045502);
INSERT INTO "ops_tallies" VALUES('ever','crm','dump','succeeded',1,0.045502);
INSERT INTO "ops_tallies" VALUES('2026-11-30','crm','copy','succeeded',1,0.004648);
INSERT INTO "ops_tallies" VALUES('ever','crm','copy','succeeded',1,0.004648);
INSERT INTO "ops_tallies" VALUES('2026-11-30','crm','verify','verified',1,0.004881);
INSERT INTO "ops_tallies" VALUES('ever','crm','verify','verified',1,0.004881);
INSERT INTO "ops_tallies" VALUES('2026-11-30','crm','dump','failed',2,0.00739);
INSERT INTO "ops_tallies" VALUES('ever','crm','dump','failed',2,0.00739);
INSERT INTO "ops_tallies" VALUES('2026-11-30','shop','verify','bad',1,0.004808);
INSERT INTO "ops_tallies" VALUES('ever','shop','verify','bad',1,0.004808);
CREATE INDEX ix_ops_activities_status ON ops_activities (status);
CREATE INDEX ix_ops_incidents_key ON ops_incidents ("key");
CREATE INDEX ix_ops_outbox_status ON ops_outbox (status, next_try_at);
CREATE INDEX ix_ops_outbox_key_event_created ON ops_outbox ("key", event, created_at);
CREATE INDEX ix_ops_outbox_incident ON ops_outbox (incident_id);
CREATE INDEX ix_ops_activities_turn ON ops_activities (turn);
CREATE INDEX ix_ops_activities_source_kind_turn ON ops_activities (source, kind, turn);
COMMIT;
