// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.examples.spring;

import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.MDC;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.stereotype.Component;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.filter.OncePerRequestFilter;

/** An application as there are many: its log lines say which tenant a request is for. */
@SpringBootApplication
@RestController
public class Reports {

  private static final Logger LOG = LoggerFactory.getLogger(Reports.class);
  private static final byte[] PAGE = new byte[1 << 16];

  /**
   * Serves reports.
   *
   * @param args options of Spring Boot
   */
  public static void main(String[] args) {
    SpringApplication.run(Reports.class, args);
  }

  /** Puts the tenant into the logging context for the time of a request. */
  @Component
  static class TenantFilter extends OncePerRequestFilter {
    @Override
    protected void doFilterInternal(
        HttpServletRequest request, HttpServletResponse response, FilterChain chain)
        throws ServletException, IOException {
      try (MDC.MDCCloseable _ = MDC.putCloseable("tenant", request.getHeader("X-Tenant"))) {
        chain.doFilter(request, response);
      }
    }
  }

  /**
   * {@return a report, which takes time to make}
   *
   * @param pages how much work it is
   */
  @GetMapping("/report")
  public String report(@RequestParam int pages)
      throws NoSuchAlgorithmException, InterruptedException {
    LOG.debug("a report of {} pages", pages);
    MessageDigest digest = MessageDigest.getInstance("SHA-256");
    for (int i = 0; i < pages; i++) {
      if (i % 20 == 0) {
        Thread.sleep(1); // the database
      }
      digest.update(PAGE);
    }
    return HexFormat.of().formatHex(digest.digest());
  }
}
