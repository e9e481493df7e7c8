// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench.sched;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Random;
import java.util.zip.CRC32;

/**
 * The server's work: it reads orders from JSON text, sums them up by customer, sorts the customers
 * by turnover, and writes the report with a check sum. It makes no garbage, since a collection in
 * the middle of a run would be measured as the scheduler's delay. One thread at a time.
 */
final class Orders {

  private static final int ORDERS = 32;
  private static final int CUSTOMERS = 16;
  private static final int LINE = 64;

  /** The customer's number in the low bits of a total, so that both are sorted as one. */
  private static final int CUSTOMER_BITS = 8;

  private final byte[] text;
  private final byte[] report = new byte[CUSTOMERS * LINE];
  private final long[] totals = new long[CUSTOMERS];
  private final CRC32 sum = new CRC32();
  private int at;

  Orders(long seed) {
    Random random = new Random(seed);
    StringBuilder lines = new StringBuilder();
    for (int i = 0; i < ORDERS; i++) {
      lines
          .append("{\"customer\":")
          .append(random.nextInt(CUSTOMERS))
          .append(",\"quantity\":")
          .append(1 + random.nextInt(20))
          .append(",\"price\":")
          .append(100 + random.nextInt(100_000))
          .append("}\n");
    }
    text = lines.toString().getBytes(StandardCharsets.US_ASCII);
  }

  /** {@return the check sum of the last report} */
  long reports(int times) {
    long last = 0;
    for (int i = 0; i < times; i++) {
      last = report();
    }
    return last;
  }

  private long report() {
    for (int i = 0; i < CUSTOMERS; i++) {
      totals[i] = i;
    }
    for (at = 0; at < text.length; at++) {
      int customer = (int) number();
      totals[customer] += (number() * number()) << CUSTOMER_BITS;
      at++; // the brace; the loop takes the line's end
    }
    Arrays.sort(totals);
    int end = 0;
    for (int i = CUSTOMERS - 1; i >= 0; i--) {
      end = write(totals[i] & (1 << CUSTOMER_BITS) - 1, end);
      report[end++] = ' ';
      end = write(totals[i] >> CUSTOMER_BITS, end);
      report[end++] = '\n';
    }
    sum.reset();
    sum.update(report, 0, end);
    return sum.getValue();
  }

  /** {@return the next number in the text} */
  private long number() {
    while (text[at] != ':') {
      at++;
    }
    long number = 0;
    for (at++; text[at] >= '0' && text[at] <= '9'; at++) {
      number = number * 10 + text[at] - '0';
    }
    return number;
  }

  /** {@return where the written number ends} */
  private int write(long number, int begin) {
    int end = begin;
    long rest = number;
    do {
      report[end++] = (byte) ('0' + rest % 10);
      rest /= 10;
    } while (rest > 0);
    for (int i = begin, j = end - 1; i < j; i++, j--) {
      byte digit = report[i];
      report[i] = report[j];
      report[j] = digit;
    }
    return end;
  }
}
