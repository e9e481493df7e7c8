// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/** Makes a benchmark of JMH a line of the table. */
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.METHOD)
@interface Compared {

  /** What it does, in the words of the table. */
  String work();

  /** The baseline: another benchmark of the same class. */
  String to();

  /** What the baseline does, in the words of the table. */
  String named();

  /** How many times the baseline's cost it may have; NaN where that is only reported. */
  double goal() default Double.NaN;
}
