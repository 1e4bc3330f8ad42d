import { RemoraError } from "./remora-error.ts";

/** Where in the data something is wrong. Rows count from 1, as people and spreadsheets do; a header line is not a row. */
export interface DataPlace {
  file: string;
  row?: number;
  /** Line of the file, from 1, where the format has lines. */
  line?: number;
  column?: string;
}

const show = (place: DataPlace): string =>
  [
    `Reading ${place.file}`,
    place.row === undefined ? "" : `row ${place.row}`,
    place.line === undefined ? "" : `line ${place.line}`,
    place.column === undefined ? "" : `column "${place.column}"`,
  ]
    .filter((part) => part !== "")
    .join(", ");

/** A data file or one of its rows cannot be used. */
export class DataError extends RemoraError {
  readonly place: DataPlace;

  constructor(place: DataPlace, problem: string, next?: string, cause?: unknown) {
    super("data", 2, { doing: show(place), problem, next, cause });
    this.place = place;
  }
}
