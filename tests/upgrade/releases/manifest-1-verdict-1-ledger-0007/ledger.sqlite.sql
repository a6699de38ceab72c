BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0007');
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
INSERT INTO "ops_activities" VALUES('20261130T012745Z-ceb52f6936635fbf','crm','dump','succeeded','2026-11-30 01:27:45.472906','2026-11-30 01:27:45.710549',0.237643,'20261130T012745Z-d711','local','vm','6aee5a66-cf18-49cf-b1a3-42353a2b04ae:27519:170232',NULL,NULL,'{"size_bytes": 639, "plain_bytes": 10266, "rows": 3, "manifest_sha256": "a72f1397462514f058b322e964b1a068d4b7dccced332bdb2799c5c9587a1c4e", "number": 1}',1);
INSERT INTO "ops_activities" VALUES('20261130T012745Z-e5fb77724a5921bc','crm','copy','succeeded','2026-11-30 01:27:45.740252','2026-11-30 01:27:45.840455',0.100203,'20261130T012745Z-d711','nas','vm','6aee5a66-cf18-49cf-b1a3-42353a2b04ae:27519:170232',NULL,NULL,'{"size_bytes": 639, "replaced": false, "from": "local", "damaged": []}',2);
INSERT INTO "ops_activities" VALUES('20261130T012745Z-590748f0b68c0d81','crm','verify','succeeded','2026-11-30 01:27:45.849334','2026-11-30 01:27:47.018488',1.169154,'20261130T012745Z-d711','nas','vm','6aee5a66-cf18-49cf-b1a3-42353a2b04ae:27519:170232',NULL,NULL,'{"outcome": "verified", "blames": null, "reason": "8 checks passed", "grade": "full", "words": "verified", "gaps": [], "seconds": {"start": 0.985, "fetch": 0.0, "decrypt": 0.001, "load": 0.011, "compare": 0.004, "assert": 0.006, "checks": 0.0, "drop": 0.013}, "again": false, "notable": []}',3);
INSERT INTO "ops_activities" VALUES('20261130T012747Z-7ecd4075524decf9','crm','dump','succeeded','2026-11-30 01:27:47.033283','2026-11-30 01:27:47.109854',0.076571,'20261130T012747Z-842f','local','vm','6aee5a66-cf18-49cf-b1a3-42353a2b04ae:27519:170232',NULL,NULL,'{"size_bytes": 639, "plain_bytes": 10266, "rows": 3, "manifest_sha256": "d1ace2fd89baa191a8635272808e7c5e65c5aded91c4c6133e0247a45f3c48d2", "number": 2}',4);
INSERT INTO "ops_activities" VALUES('20261130T012747Z-829b725b6bc959cb','crm','copy','succeeded','2026-11-30 01:27:47.130674','2026-11-30 01:27:47.213521',0.082847,'20261130T012747Z-842f','nas','vm','6aee5a66-cf18-49cf-b1a3-42353a2b04ae:27519:170232',NULL,NULL,'{"size_bytes": 639, "replaced": false, "from": "local", "damaged": []}',5);
INSERT INTO "ops_activities" VALUES('20261130T012747Z-cd80c579630f8252','crm','verify','succeeded','2026-11-30 01:27:47.230789','2026-11-30 01:27:48.380755',1.149966,'20261130T012747Z-842f','nas','vm','6aee5a66-cf18-49cf-b1a3-42353a2b04ae:27519:170232',NULL,NULL,'{"outcome": "verified", "blames": null, "reason": "10 checks passed", "grade": "full", "words": "verified", "gaps": [], "seconds": {"start": 1.015, "fetch": 0.0, "decrypt": 0.001, "load": 0.011, "compare": 0.003, "assert": 0.009, "checks": 0.0, "drop": 0.019}, "again": false, "notable": []}',6);
INSERT INTO "ops_activities" VALUES('20261130T012748Z-38ff6e4d65859204','crm','dump','failed','2026-11-30 01:27:48.388162','2026-11-30 01:27:48.395278',0.007116,NULL,NULL,'vm','6aee5a66-cf18-49cf-b1a3-42353a2b04ae:27519:170232',NULL,'no room','{}',7);
CREATE TABLE ops_evaluations (
	part VARCHAR(32) NOT NULL, 
	at DATETIME NOT NULL, 
	PRIMARY KEY (part)
);
INSERT INTO "ops_evaluations" VALUES('attempts','2026-11-30 01:27:48.399422');
INSERT INTO "ops_evaluations" VALUES('standing','2026-11-30 01:27:48.476747');
INSERT INTO "ops_evaluations" VALUES('probes','2026-11-30 01:27:48.439130');
INSERT INTO "ops_evaluations" VALUES('daemon','2026-11-30 01:27:48.444960');
INSERT INTO "ops_evaluations" VALUES('configuration','2026-11-30 01:27:48.454261');
INSERT INTO "ops_evaluations" VALUES('drill','2026-11-30 01:27:48.469997');
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
INSERT INTO "ops_incidents" VALUES('20261130T012748Z-f2bbdbaa','dump_failed/crm/','dump_failed/crm/','dump_failed','crm','','error','{"incident": "", "event": "opened", "severity": "error", "rule": "dump_failed", "source": "crm", "store": "", "phase": "dump", "title": "dump failed", "cause": "no room", "safe": "", "next": "ops backup crm", "at": "2026-11-30T01:27:48.399422Z", "since": "2026-11-30T01:27:48.399422Z", "good": "20261130T012747Z-842f", "good_at": "2026-11-30T01:27:47Z", "good_words": "verified", "link": null, "ended": "", "backup": "", "listed": [], "listed_events": []}','2026-11-30 01:27:48.399422',NULL,NULL,NULL,NULL,NULL);
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
INSERT INTO "ops_numbers" VALUES('crm','point',2);
INSERT INTO "ops_numbers" VALUES('crm','verdict',2);
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
INSERT INTO "ops_outbox" VALUES(1,'20261130T012748Z-f2bbdbaa','dump_failed/crm/','opened','error','2026-11-30 01:27:48.399422','{"incident": "20261130T012748Z-f2bbdbaa", "event": "opened", "severity": "error", "rule": "dump_failed", "source": "crm", "store": "", "phase": "dump", "title": "dump failed", "cause": "no room", "safe": "", "next": "ops backup crm", "at": "2026-11-30T01:27:48.399422Z", "since": "2026-11-30T01:27:48.399422Z", "good": "20261130T012747Z-842f", "good_at": "2026-11-30T01:27:47Z", "good_words": "verified", "link": null, "ended": "", "backup": "", "listed": [], "listed_events": []}','suppressed','[]',0,'2026-11-30 01:27:48.399422',NULL,NULL,NULL,NULL,'no channel is configured');
CREATE TABLE ops_probes (
	target VARCHAR(63) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	at DATETIME NOT NULL, 
	document TEXT NOT NULL, 
	PRIMARY KEY (target)
);
CREATE TABLE ops_since (
	source VARCHAR(63) NOT NULL, 
	at DATETIME NOT NULL, 
	PRIMARY KEY (source)
);
INSERT INTO "ops_since" VALUES('crm','2026-11-30 01:27:48.476747');
CREATE TABLE ops_tallies (
	period VARCHAR(10) NOT NULL, 
	source VARCHAR(63) NOT NULL, 
	kind VARCHAR(32) NOT NULL, 
	outcome VARCHAR(16) NOT NULL, 
	attempts INTEGER NOT NULL, 
	seconds FLOAT NOT NULL, 
	PRIMARY KEY (period, source, kind, outcome)
);
INSERT INTO "ops_tallies" VALUES('2026-11-30','crm','dump','succeeded',2,0.314214);
INSERT INTO "ops_tallies" VALUES('ever','crm','dump','succeeded',2,0.314214);
INSERT INTO "ops_tallies" VALUES('2026-11-30','crm','copy','succeeded',2,0.18305);
INSERT INTO "ops_tallies" VALUES('ever','crm','copy','succeeded',2,0.18305);
INSERT INTO "ops_tallies" VALUES('2026-11-30','crm','verify','verified',2,2.31912);
INSERT INTO "ops_tallies" VALUES('ever','crm','verify','verified',2,2.31912);
INSERT INTO "ops_tallies" VALUES('2026-11-30','crm','dump','failed',1,0.007116);
INSERT INTO "ops_tallies" VALUES('ever','crm','dump','failed',1,0.007116);
CREATE INDEX ix_ops_activities_status ON ops_activities (status);
CREATE INDEX ix_ops_incidents_key ON ops_incidents ("key");
CREATE INDEX ix_ops_outbox_status ON ops_outbox (status, next_try_at);
CREATE INDEX ix_ops_outbox_key_event_created ON ops_outbox ("key", event, created_at);
CREATE INDEX ix_ops_outbox_incident ON ops_outbox (incident_id);
CREATE INDEX ix_ops_activities_turn ON ops_activities (turn);
CREATE INDEX ix_ops_activities_source_kind_turn ON ops_activities (source, kind, turn);
COMMIT;
