// SPDX-License-Identifier: Apache-2.0
import jakarta.servlet.annotation.WebServlet;
import jakarta.servlet.http.*;

@WebServlet("/page")
public class Page extends HttpServlet {
	protected void doGet(HttpServletRequest q, HttpServletResponse r) throws java.io.IOException {
		r.getWriter().println("page of java on " + Runtime.version().feature());
	}
}
