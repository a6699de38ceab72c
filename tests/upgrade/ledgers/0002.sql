BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0002');
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
	meta JSON NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "ops_activities" VALUES('20261130T012606Z-53432dcb999f6245','crm','dump','succeeded','2026-11-30 01:26:06.640617','2026-11-30 01:26:06.686156',0.045539,'20261121T020000Z-0a1b2c3d','local','vm','6aee5a66-cf18-49cf-b1a3-42353a2b04ae:21902:160663','run-1',NULL,'{"size_bytes": 1234, "plain_bytes": 5678, "rows": 100, "manifest_sha256": "abababababababababababababababababababababababababababababababab"}');
INSERT INTO "ops_activities" VALUES('20261130T012606Z-0a7459e5395c5ce9','crm','copy','running','2026-11-30 01:26:06.708101',NULL,NULL,'20261121T020000Z-0a1b2c3d','nas','vm','6aee5a66-cf18-49cf-b1a3-42353a2b04ae:21902:160663',NULL,NULL,'{"size_bytes": 1234}');
INSERT INTO "ops_activities" VALUES('20261130T012606Z-670ba5314a603974','crm','verify','succeeded','2026-11-30 01:26:06.732164','2026-11-30 01:26:06.741577',0.009413,'20261121T020000Z-0a1b2c3d','nas','vm','6aee5a66-cf18-49cf-b1a3-42353a2b04ae:21902:160663',NULL,NULL,'{"outcome": "verified"}');
INSERT INTO "ops_activities" VALUES('20261130T012606Z-a34157999fb1e32e','crm','dump','failed','2026-11-30 01:26:06.756076','2026-11-30 01:26:06.764830',0.008754,NULL,NULL,'vm','6aee5a66-cf18-49cf-b1a3-42353a2b04ae:21902:160663',NULL,'no room','{}');
INSERT INTO "ops_activities" VALUES('20261130T012606Z-30972cb8df8128cf','crm','dump','failed','2026-11-30 01:26:06.775316','2026-11-30 01:26:06.782542',0.007226,NULL,NULL,'vm','6aee5a66-cf18-49cf-b1a3-42353a2b04ae:21902:160663',NULL,'KeyboardInterrupt','{}');
INSERT INTO "ops_activities" VALUES('20261130T012606Z-e33e8978db585d70','shop','verify','failed','2026-11-30 01:26:06.796028','2026-11-30 01:26:06.800647',0.004619,'20261121T020000Z-0a1b2c3d','nas','vm','6aee5a66-cf18-49cf-b1a3-42353a2b04ae:21902:160663',NULL,'bad: rows','{"outcome": "bad"}');
CREATE TABLE ops_evaluations (
	part VARCHAR(32) NOT NULL, 
	at DATETIME NOT NULL, 
	PRIMARY KEY (part)
);
INSERT INTO "ops_evaluations" VALUES('attempts','1970-01-01 00:00:00.000000');
INSERT INTO "ops_evaluations" VALUES('standing','1970-01-01 00:00:00.000000');
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
CREATE INDEX ix_ops_activities_source_kind_started ON ops_activities (source, kind, started_at);
CREATE INDEX ix_ops_activities_status ON ops_activities (status);
CREATE INDEX ix_ops_incidents_key ON ops_incidents ("key");
CREATE INDEX ix_ops_outbox_status ON ops_outbox (status, next_try_at);
CREATE INDEX ix_ops_outbox_key_event_created ON ops_outbox ("key", event, created_at);
CREATE INDEX ix_ops_outbox_incident ON ops_outbox (incident_id);
COMMIT;
