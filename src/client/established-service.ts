/** A service that a client has appraised, and what it answers. */
import type { AppraisedService } from "./appraise-service.ts";
import type { Exchange, WireRequest } from "./exchange.ts";
import type { ServiceAnswer, ServiceConnection } from "./service-connection.ts";
import type { SessionSource } from "./session-source.ts";

/** The appraised service, and the only way to it. */
export interface EstablishedService extends AppraisedService {
  readonly connection: ServiceConnection;
  readonly sessions: SessionSource;
  /** Whether a request in the clear can be read by nobody else on the way. */
  readonly bound: boolean;
  /** Seconds since the epoch from which on it has to be appraised anew. */
  readonly usableUntil: number;
}

/** An answer with all that it must fit. */
export interface Received {
  readonly exchange: Exchange;
  readonly service: EstablishedService;
  readonly wire: WireRequest;
  readonly answer: ServiceAnswer;
}
