const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

const CENTURY = 100;

/** A two-digit year further ahead than this is of the century before (RFC 9110 section 5.6.7). */
const YEARS_AHEAD = 50;

const FORMATS = [
  // Sun, 06 Nov 1994 08:49:37 GMT
  /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (?<day>\d\d) (?<month>[A-Z][a-z]{2}) (?<year>\d{4}) (?<time>\d\d:\d\d:\d\d) GMT$/,
  // Sunday, 06-Nov-94 08:49:37 GMT
  /^(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (?<day>\d\d)-(?<month>[A-Z][a-z]{2})-(?<year>\d\d) (?<time>\d\d:\d\d:\d\d) GMT$/,
  // Sun Nov  6 08:49:37 1994
  /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) (?<month>[A-Z][a-z]{2}) (?<day>[ \d]\d) (?<time>\d\d:\d\d:\d\d) (?<year>\d{4})$/,
];

const FIRST_MS = 0;
const LAST_MS = Date.UTC(2188, 11, 31, 23, 59, 59);

/**
 * Parses a date in one of the three formats of HTTP (RFC 9110 section 5.6.7).
 *
 * @returns Undefined for anything else. `Date.parse` is not used: it accepts `2037` and the 31st of February.
 */
export function readHttpDate(value: string, nowMs = Date.now()): Date | undefined {
  for (const format of FORMATS) {
    const { day = "", month = "", year = "", time = "" } = format.exec(value)?.groups ?? {};
    if (time !== "") {
      return toDate({ day: Number(day), month: MONTHS.indexOf(month), year: fullYear(year, nowMs), time });
    }
  }
  return undefined;
}

/** The date, or the nearest that R2 accepts: its binding counts nanoseconds since 1970 and overflows. */
export function inBucketRange(date: Date): Date {
  return new Date(Math.min(Math.max(date.getTime(), FIRST_MS), LAST_MS));
}

function toDate({ day, month, year, time }: { day: number; month: number; year: number; time: string }) {
  const [hours = 0, minutes = 0, seconds = 0] = time.split(":").map(Number);
  const date = new Date(0);
  date.setUTCFullYear(year, month, day);
  if (month < 0 || date.getUTCMonth() !== month || date.getUTCDate() !== day) {
    return undefined;
  }
  // 60 is a leap second.
  if (hours > 23 || minutes > 59 || seconds > 60) {
    return undefined;
  }
  date.setUTCHours(hours, minutes, seconds);
  return date;
}

function fullYear(year: string, nowMs: number): number {
  if (year.length === 4) {
    return Number(year);
  }
  const thisYear = new Date(nowMs).getUTCFullYear();
  const inThisCentury = thisYear - (thisYear % CENTURY) + Number(year);
  return inThisCentury > thisYear + YEARS_AHEAD ? inThisCentury - CENTURY : inThisCentury;
}
