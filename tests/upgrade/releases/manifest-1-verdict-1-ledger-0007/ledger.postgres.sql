--
-- PostgreSQL database dump
--

\restrict 3moDF5vOpa31hmg8Zofu6tnFXV3cUCBDTV7tWLyK50VduHIz0vADZf0vTjQ2Rt2

-- Dumped from database version 18.6
-- Dumped by pg_dump version 18.6

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: alembic_version; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);


--
-- Name: ops_activities; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.ops_activities (
    id character varying(40) NOT NULL,
    source character varying(63) NOT NULL,
    kind character varying(32) NOT NULL,
    status character varying(16) NOT NULL,
    started_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone,
    duration_s double precision,
    backup_id character varying(40),
    store character varying(63),
    host character varying(255) NOT NULL,
    holder character varying(255) NOT NULL,
    run_id character varying(64),
    error text,
    meta json NOT NULL,
    turn bigint DEFAULT '0'::bigint NOT NULL
);


--
-- Name: ops_evaluations; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.ops_evaluations (
    part character varying(32) NOT NULL,
    at timestamp with time zone NOT NULL
);


--
-- Name: ops_health; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.ops_health (
    source character varying(63) NOT NULL,
    at timestamp with time zone NOT NULL,
    watched_at timestamp with time zone,
    document text NOT NULL
);


--
-- Name: ops_incidents; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.ops_incidents (
    id character varying(40) NOT NULL,
    key character varying(255) NOT NULL,
    open_key character varying(255),
    rule character varying(63) NOT NULL,
    source character varying(63) NOT NULL,
    store character varying(63) NOT NULL,
    severity character varying(16) NOT NULL,
    condition json NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    resolved_at timestamp with time zone,
    told_at timestamp with time zone,
    told_severity character varying(16),
    acked_at timestamp with time zone,
    acked_by character varying(255)
);


--
-- Name: ops_mutes; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.ops_mutes (
    id character varying(40) NOT NULL,
    source character varying(63),
    rule character varying(63),
    created_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone NOT NULL,
    created_by character varying(255) NOT NULL,
    reason text NOT NULL
);


--
-- Name: ops_numbers; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.ops_numbers (
    source character varying(63) NOT NULL,
    series character varying(16) NOT NULL,
    last bigint NOT NULL
);


--
-- Name: ops_outbox; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.ops_outbox (
    id integer NOT NULL,
    incident_id character varying(40) NOT NULL,
    key character varying(255) NOT NULL,
    event character varying(16) NOT NULL,
    severity character varying(16) NOT NULL,
    created_at timestamp with time zone NOT NULL,
    message json NOT NULL,
    status character varying(16) NOT NULL,
    accepted json NOT NULL,
    attempts integer NOT NULL,
    next_try_at timestamp with time zone NOT NULL,
    delivered_at timestamp with time zone,
    holder character varying(255),
    holder_host character varying(255),
    held_until timestamp with time zone,
    error text
);


--
-- Name: ops_outbox_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.ops_outbox_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: ops_outbox_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.ops_outbox_id_seq OWNED BY public.ops_outbox.id;


--
-- Name: ops_probes; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.ops_probes (
    target character varying(63) NOT NULL,
    kind character varying(16) NOT NULL,
    at timestamp with time zone NOT NULL,
    document text NOT NULL
);


--
-- Name: ops_since; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.ops_since (
    source character varying(63) NOT NULL,
    at timestamp with time zone NOT NULL
);


--
-- Name: ops_tallies; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.ops_tallies (
    period character varying(10) NOT NULL,
    source character varying(63) NOT NULL,
    kind character varying(32) NOT NULL,
    outcome character varying(16) NOT NULL,
    attempts integer NOT NULL,
    seconds double precision NOT NULL
);


--
-- Name: ops_outbox id; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.ops_outbox ALTER COLUMN id SET DEFAULT nextval('public.ops_outbox_id_seq'::regclass);


--
-- Data for Name: alembic_version; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.alembic_version VALUES ('0007');


--
-- Data for Name: ops_activities; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.ops_activities VALUES ('20261130T012745Z-ceb52f6936635fbf', 'crm', 'dump', 'succeeded', '2026-11-30 01:27:45.472906+00', '2026-11-30 01:27:45.710549+00', 0.237643, '20261130T012745Z-d711', 'local', 'vm', '6aee5a66-cf18-49cf-b1a3-42353a2b04ae:27519:170232', NULL, NULL, '{"size_bytes": 639, "plain_bytes": 10266, "rows": 3, "manifest_sha256": "a72f1397462514f058b322e964b1a068d4b7dccced332bdb2799c5c9587a1c4e", "number": 1}', 1);
INSERT INTO public.ops_activities VALUES ('20261130T012745Z-e5fb77724a5921bc', 'crm', 'copy', 'succeeded', '2026-11-30 01:27:45.740252+00', '2026-11-30 01:27:45.840455+00', 0.100203, '20261130T012745Z-d711', 'nas', 'vm', '6aee5a66-cf18-49cf-b1a3-42353a2b04ae:27519:170232', NULL, NULL, '{"size_bytes": 639, "replaced": false, "from": "local", "damaged": []}', 2);
INSERT INTO public.ops_activities VALUES ('20261130T012745Z-590748f0b68c0d81', 'crm', 'verify', 'succeeded', '2026-11-30 01:27:45.849334+00', '2026-11-30 01:27:47.018488+00', 1.169154, '20261130T012745Z-d711', 'nas', 'vm', '6aee5a66-cf18-49cf-b1a3-42353a2b04ae:27519:170232', NULL, NULL, '{"outcome": "verified", "blames": null, "reason": "8 checks passed", "grade": "full", "words": "verified", "gaps": [], "seconds": {"start": 0.985, "fetch": 0.0, "decrypt": 0.001, "load": 0.011, "compare": 0.004, "assert": 0.006, "checks": 0.0, "drop": 0.013}, "again": false, "notable": []}', 3);
INSERT INTO public.ops_activities VALUES ('20261130T012747Z-7ecd4075524decf9', 'crm', 'dump', 'succeeded', '2026-11-30 01:27:47.033283+00', '2026-11-30 01:27:47.109854+00', 0.076571, '20261130T012747Z-842f', 'local', 'vm', '6aee5a66-cf18-49cf-b1a3-42353a2b04ae:27519:170232', NULL, NULL, '{"size_bytes": 639, "plain_bytes": 10266, "rows": 3, "manifest_sha256": "d1ace2fd89baa191a8635272808e7c5e65c5aded91c4c6133e0247a45f3c48d2", "number": 2}', 4);
INSERT INTO public.ops_activities VALUES ('20261130T012747Z-829b725b6bc959cb', 'crm', 'copy', 'succeeded', '2026-11-30 01:27:47.130674+00', '2026-11-30 01:27:47.213521+00', 0.082847, '20261130T012747Z-842f', 'nas', 'vm', '6aee5a66-cf18-49cf-b1a3-42353a2b04ae:27519:170232', NULL, NULL, '{"size_bytes": 639, "replaced": false, "from": "local", "damaged": []}', 5);
INSERT INTO public.ops_activities VALUES ('20261130T012747Z-cd80c579630f8252', 'crm', 'verify', 'succeeded', '2026-11-30 01:27:47.230789+00', '2026-11-30 01:27:48.380755+00', 1.149966, '20261130T012747Z-842f', 'nas', 'vm', '6aee5a66-cf18-49cf-b1a3-42353a2b04ae:27519:170232', NULL, NULL, '{"outcome": "verified", "blames": null, "reason": "10 checks passed", "grade": "full", "words": "verified", "gaps": [], "seconds": {"start": 1.015, "fetch": 0.0, "decrypt": 0.001, "load": 0.011, "compare": 0.003, "assert": 0.009, "checks": 0.0, "drop": 0.019}, "again": false, "notable": []}', 6);
INSERT INTO public.ops_activities VALUES ('20261130T012748Z-38ff6e4d65859204', 'crm', 'dump', 'failed', '2026-11-30 01:27:48.388162+00', '2026-11-30 01:27:48.395278+00', 0.007116, NULL, NULL, 'vm', '6aee5a66-cf18-49cf-b1a3-42353a2b04ae:27519:170232', NULL, 'no room', '{}', 7);


--
-- Data for Name: ops_evaluations; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.ops_evaluations VALUES ('attempts', '2026-11-30 01:27:48.399422+00');
INSERT INTO public.ops_evaluations VALUES ('standing', '2026-11-30 01:27:48.476747+00');
INSERT INTO public.ops_evaluations VALUES ('probes', '2026-11-30 01:27:48.43913+00');
INSERT INTO public.ops_evaluations VALUES ('daemon', '2026-11-30 01:27:48.44496+00');
INSERT INTO public.ops_evaluations VALUES ('configuration', '2026-11-30 01:27:48.454261+00');
INSERT INTO public.ops_evaluations VALUES ('drill', '2026-11-30 01:27:48.469997+00');


--
-- Data for Name: ops_health; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: ops_incidents; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.ops_incidents VALUES ('20261130T012748Z-f2bbdbaa', 'dump_failed/crm/', 'dump_failed/crm/', 'dump_failed', 'crm', '', 'error', '{"incident": "", "event": "opened", "severity": "error", "rule": "dump_failed", "source": "crm", "store": "", "phase": "dump", "title": "dump failed", "cause": "no room", "safe": "", "next": "ops backup crm", "at": "2026-11-30T01:27:48.399422Z", "since": "2026-11-30T01:27:48.399422Z", "good": "20261130T012747Z-842f", "good_at": "2026-11-30T01:27:47Z", "good_words": "verified", "link": null, "ended": "", "backup": "", "listed": [], "listed_events": []}', '2026-11-30 01:27:48.399422+00', NULL, NULL, NULL, NULL, NULL);


--
-- Data for Name: ops_mutes; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: ops_numbers; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.ops_numbers VALUES ('crm', 'point', 2);
INSERT INTO public.ops_numbers VALUES ('crm', 'verdict', 2);


--
-- Data for Name: ops_outbox; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.ops_outbox VALUES (1, '20261130T012748Z-f2bbdbaa', 'dump_failed/crm/', 'opened', 'error', '2026-11-30 01:27:48.399422+00', '{"incident": "20261130T012748Z-f2bbdbaa", "event": "opened", "severity": "error", "rule": "dump_failed", "source": "crm", "store": "", "phase": "dump", "title": "dump failed", "cause": "no room", "safe": "", "next": "ops backup crm", "at": "2026-11-30T01:27:48.399422Z", "since": "2026-11-30T01:27:48.399422Z", "good": "20261130T012747Z-842f", "good_at": "2026-11-30T01:27:47Z", "good_words": "verified", "link": null, "ended": "", "backup": "", "listed": [], "listed_events": []}', 'suppressed', '[]', 0, '2026-11-30 01:27:48.399422+00', NULL, NULL, NULL, NULL, 'no channel is configured');


--
-- Data for Name: ops_probes; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: ops_since; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.ops_since VALUES ('crm', '2026-11-30 01:27:48.476747+00');


--
-- Data for Name: ops_tallies; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.ops_tallies VALUES ('2026-11-30', 'crm', 'dump', 'succeeded', 2, 0.314214);
INSERT INTO public.ops_tallies VALUES ('ever', 'crm', 'dump', 'succeeded', 2, 0.314214);
INSERT INTO public.ops_tallies VALUES ('2026-11-30', 'crm', 'copy', 'succeeded', 2, 0.18305);
INSERT INTO public.ops_tallies VALUES ('ever', 'crm', 'copy', 'succeeded', 2, 0.18305);
INSERT INTO public.ops_tallies VALUES ('2026-11-30', 'crm', 'verify', 'verified', 2, 2.31912);
INSERT INTO public.ops_tallies VALUES ('ever', 'crm', 'verify', 'verified', 2, 2.31912);
INSERT INTO public.ops_tallies VALUES ('2026-11-30', 'crm', 'dump', 'failed', 1, 0.007116);
INSERT INTO public.ops_tallies VALUES ('ever', 'crm', 'dump', 'failed', 1, 0.007116);


--
-- Name: ops_outbox_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.ops_outbox_id_seq', 1, false);


--
-- Name: alembic_version alembic_version_pkc; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);


--
-- Name: ops_activities ops_activities_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.ops_activities
    ADD CONSTRAINT ops_activities_pkey PRIMARY KEY (id);


--
-- Name: ops_evaluations ops_evaluations_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.ops_evaluations
    ADD CONSTRAINT ops_evaluations_pkey PRIMARY KEY (part);


--
-- Name: ops_health ops_health_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.ops_health
    ADD CONSTRAINT ops_health_pkey PRIMARY KEY (source);


--
-- Name: ops_incidents ops_incidents_open_key_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.ops_incidents
    ADD CONSTRAINT ops_incidents_open_key_key UNIQUE (open_key);


--
-- Name: ops_incidents ops_incidents_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.ops_incidents
    ADD CONSTRAINT ops_incidents_pkey PRIMARY KEY (id);


--
-- Name: ops_mutes ops_mutes_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.ops_mutes
    ADD CONSTRAINT ops_mutes_pkey PRIMARY KEY (id);


--
-- Name: ops_numbers ops_numbers_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.ops_numbers
    ADD CONSTRAINT ops_numbers_pkey PRIMARY KEY (source, series);


--
-- Name: ops_outbox ops_outbox_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.ops_outbox
    ADD CONSTRAINT ops_outbox_pkey PRIMARY KEY (id);


--
-- Name: ops_probes ops_probes_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.ops_probes
    ADD CONSTRAINT ops_probes_pkey PRIMARY KEY (target);


--
-- Name: ops_since ops_since_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.ops_since
    ADD CONSTRAINT ops_since_pkey PRIMARY KEY (source);


--
-- Name: ops_tallies ops_tallies_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.ops_tallies
    ADD CONSTRAINT ops_tallies_pkey PRIMARY KEY (period, source, kind, outcome);


--
-- Name: ix_ops_activities_source_kind_turn; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_ops_activities_source_kind_turn ON public.ops_activities USING btree (source, kind, turn);


--
-- Name: ix_ops_activities_status; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_ops_activities_status ON public.ops_activities USING btree (status);


--
-- Name: ix_ops_activities_turn; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_ops_activities_turn ON public.ops_activities USING btree (turn);


--
-- Name: ix_ops_incidents_key; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_ops_incidents_key ON public.ops_incidents USING btree (key);


--
-- Name: ix_ops_outbox_incident; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_ops_outbox_incident ON public.ops_outbox USING btree (incident_id);


--
-- Name: ix_ops_outbox_key_event_created; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_ops_outbox_key_event_created ON public.ops_outbox USING btree (key, event, created_at);


--
-- Name: ix_ops_outbox_status; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_ops_outbox_status ON public.ops_outbox USING btree (status, next_try_at);


--
-- Name: ops_outbox ops_outbox_incident_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.ops_outbox
    ADD CONSTRAINT ops_outbox_incident_id_fkey FOREIGN KEY (incident_id) REFERENCES public.ops_incidents(id);


--
-- PostgreSQL database dump complete
--

\unrestrict 3moDF5vOpa31hmg8Zofu6tnFXV3cUCBDTV7tWLyK50VduHIz0vADZf0vTjQ2Rt2

