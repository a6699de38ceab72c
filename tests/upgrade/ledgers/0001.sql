BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
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
INSERT INTO "ops_activities" VALUES('20261130T012603Z-53fb1c8d0dfbc74d','crm','dump','succeeded','2026-11-30 01:26:03.956112','2026-11-30 01:26:03.983230',0.027118,'20261121T020000Z-0a1b2c3d','local','vm','6aee5a66-cf18-49cf-b1a3-42353a2b04ae:21885:160403','run-1',NULL,'{"size_bytes": 1234, "plain_bytes": 5678, "rows": 100, "manifest_sha256": "abababababababababababababababababababababababababababababababab"}');
INSERT INTO "ops_activities" VALUES('20261130T012604Z-a599499322668ac8','crm','copy','running','2026-11-30 01:26:04.006851',NULL,NULL,'20261121T020000Z-0a1b2c3d','nas','vm','6aee5a66-cf18-49cf-b1a3-42353a2b04ae:21885:160403',NULL,NULL,'{"size_bytes": 1234}');
INSERT INTO "ops_activities" VALUES('20261130T012604Z-59fad74cf59b433d','crm','verify','succeeded','2026-11-30 01:26:04.036060','2026-11-30 01:26:04.048815',0.012755,'20261121T020000Z-0a1b2c3d','nas','vm','6aee5a66-cf18-49cf-b1a3-42353a2b04ae:21885:160403',NULL,NULL,'{"outcome": "verified"}');
INSERT INTO "ops_activities" VALUES('20261130T012604Z-49af32e0676fa7ef','crm','dump','failed','2026-11-30 01:26:04.056065','2026-11-30 01:26:04.072899',0.016834,NULL,NULL,'vm','6aee5a66-cf18-49cf-b1a3-42353a2b04ae:21885:160403',NULL,'no room','{}');
INSERT INTO "ops_activities" VALUES('20261130T012604Z-55c228fd95fb8fc2','crm','dump','failed','2026-11-30 01:26:04.080027','2026-11-30 01:26:04.096872',0.016845,NULL,NULL,'vm','6aee5a66-cf18-49cf-b1a3-42353a2b04ae:21885:160403',NULL,'KeyboardInterrupt','{}');
INSERT INTO "ops_activities" VALUES('20261130T012604Z-481d8bceb32ed7d5','shop','verify','failed','2026-11-30 01:26:04.103989','2026-11-30 01:26:04.112723',0.008734,'20261121T020000Z-0a1b2c3d','nas','vm','6aee5a66-cf18-49cf-b1a3-42353a2b04ae:21885:160403',NULL,'bad: rows','{"outcome": "bad"}');
CREATE INDEX ix_ops_activities_source_kind_started ON ops_activities (source, kind, started_at);
CREATE INDEX ix_ops_activities_status ON ops_activities (status);
COMMIT;
